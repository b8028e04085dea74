; Builds storages and tensors and reads them, at slot offsets that Python probed. Every function that returns an object
; returns a new reference, or null with an exception set.

; Class layout, filled at start-up.
@ob_type_offset = global i64 0
@storage_type = global ptr null
@storage_ptr_offset = global i64 0
@storage_nbytes_offset = global i64 0
@storage_owner_offset = global i64 0
@tensor_type = global ptr null
@tensor_layout_offset = global i64 0
@tensor_storage_offset = global i64 0
@tensor_element_offset = global i64 0
; The other slots of a fresh tensor: pairs (slot offset, object).
@tensor_defaults = global ptr null
@tensor_default_count = global i64 0
; Objects that live as long as the interpreter.
@object_none = global ptr null
@object_zero = global ptr null
@type_int = global ptr null
; callable(nbytes) that raises
@exhausted_handler = global ptr null

declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyType_GenericAlloc(ptr, i64)
declare ptr @PyCapsule_New(ptr, ptr, ptr)
declare ptr @PyCapsule_GetPointer(ptr, ptr)
declare ptr @PyLong_FromVoidPtr(ptr)
declare ptr @PyLong_FromSsize_t(i64)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyLong_AsVoidPtr(ptr)
declare i64 @PyLong_AsSsize_t(ptr)
declare ptr @PyErr_Occurred()
declare void @PyErr_Clear()
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare i32 @PyObject_GetBuffer(ptr, ptr, i32)
declare void @PyBuffer_Release(ptr)

define internal ptr @slot_of(ptr %object, ptr %offset_cell) alwaysinline {
  %offset = load i64, ptr %offset_cell
  %slot = getelementptr i8, ptr %object, i64 %offset
  ret ptr %slot
}

define internal ptr @type_of(ptr %object) alwaysinline {
  %slot = call ptr @slot_of(ptr %object, ptr @ob_type_offset)
  %type = load ptr, ptr %slot
  ret ptr %type
}

; Raise the pool's out-of-memory error for a request of nbytes.
define internal void @raise_exhausted(i64 %nbytes) noinline {
  %arguments = alloca ptr
  %amount = call ptr @PyLong_FromSsize_t(i64 %nbytes)
  %failed = icmp eq ptr %amount, null
  br i1 %failed, label %end, label %ask
ask:
  store ptr %amount, ptr %arguments
  %handler = load ptr, ptr @exhausted_handler
  %result = call ptr @PyObject_Vectorcall(ptr %handler, ptr %arguments, i64 1, ptr null)
  call void @Py_DecRef(ptr %amount)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %end, label %drop
drop:
  call void @Py_DecRef(ptr %result)
  br label %end
end:
  ret void
}

; The destructor of the capsule that owns a block.
define void @capsule_free(ptr %capsule) {
  %payload = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr null)
  %lost = icmp eq ptr %payload, null
  br i1 %lost, label %end, label %release
release:
  call void @block_free(ptr %payload)
  br label %end
end:
  ret void
}

; {payload, capsule} of a new block; capsule is null, with an exception set, on failure.
define internal { ptr, ptr } @owned_block(i64 %nbytes) {
  %payload = call ptr @block_allocate(i64 %nbytes)
  %none = icmp eq ptr %payload, null
  br i1 %none, label %exhausted, label %wrap
exhausted:
  call void @raise_exhausted(i64 %nbytes)
  ret { ptr, ptr } zeroinitializer
wrap:
  %capsule = call ptr @PyCapsule_New(ptr %payload, ptr null, ptr @capsule_free)
  %failed = icmp eq ptr %capsule, null
  br i1 %failed, label %undo, label %done
undo:
  call void @block_free(ptr %payload)
  ret { ptr, ptr } zeroinitializer
done:
  %pair0 = insertvalue { ptr, ptr } poison, ptr %payload, 0
  %pair = insertvalue { ptr, ptr } %pair0, ptr %capsule, 1
  ret { ptr, ptr } %pair
}

; {data, storage}: a Storage over a new block; `nbytes_object` is nbytes as an int.
define internal { ptr, ptr } @storage_new(i64 %nbytes, ptr %nbytes_object) {
  %block = call { ptr, ptr } @owned_block(i64 %nbytes)
  %payload = extractvalue { ptr, ptr } %block, 0
  %capsule = extractvalue { ptr, ptr } %block, 1
  %no_block = icmp eq ptr %capsule, null
  br i1 %no_block, label %fail, label %address
address:
  %address_object = call ptr @PyLong_FromVoidPtr(ptr %payload)
  %no_address = icmp eq ptr %address_object, null
  br i1 %no_address, label %drop_capsule, label %make
make:
  %type = load ptr, ptr @storage_type
  %storage = call ptr @PyType_GenericAlloc(ptr %type, i64 0)
  %no_storage = icmp eq ptr %storage, null
  br i1 %no_storage, label %drop_address, label %fill
fill:
  %ptr_slot = call ptr @slot_of(ptr %storage, ptr @storage_ptr_offset)
  store ptr %address_object, ptr %ptr_slot
  %owner_slot = call ptr @slot_of(ptr %storage, ptr @storage_owner_offset)
  store ptr %capsule, ptr %owner_slot
  %nbytes_slot = call ptr @slot_of(ptr %storage, ptr @storage_nbytes_offset)
  call void @Py_IncRef(ptr %nbytes_object)
  store ptr %nbytes_object, ptr %nbytes_slot
  %pair0 = insertvalue { ptr, ptr } poison, ptr %payload, 0
  %pair = insertvalue { ptr, ptr } %pair0, ptr %storage, 1
  ret { ptr, ptr } %pair
drop_address:
  call void @Py_DecRef(ptr %address_object)
  br label %drop_capsule
drop_capsule:
  call void @Py_DecRef(ptr %capsule)
  br label %fail
fail:
  ret { ptr, ptr } zeroinitializer
}

; {data, tensor}: a Tensor of a contiguous layout over a new block.
define internal { ptr, ptr } @tensor_new(ptr %layout, i64 %nbytes, ptr %nbytes_object) {
  %made = call { ptr, ptr } @storage_new(i64 %nbytes, ptr %nbytes_object)
  %data = extractvalue { ptr, ptr } %made, 0
  %storage = extractvalue { ptr, ptr } %made, 1
  %no_storage = icmp eq ptr %storage, null
  br i1 %no_storage, label %fail, label %make
make:
  %type = load ptr, ptr @tensor_type
  %tensor = call ptr @PyType_GenericAlloc(ptr %type, i64 0)
  %no_tensor = icmp eq ptr %tensor, null
  br i1 %no_tensor, label %drop, label %fill
drop:
  call void @Py_DecRef(ptr %storage)
  br label %fail
fill:
  %storage_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_storage_offset)
  store ptr %storage, ptr %storage_slot
  %layout_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_layout_offset)
  call void @Py_IncRef(ptr %layout)
  store ptr %layout, ptr %layout_slot
  %element_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_element_offset)
  %zero = load ptr, ptr @object_zero
  call void @Py_IncRef(ptr %zero)
  store ptr %zero, ptr %element_slot
  %defaults = load ptr, ptr @tensor_defaults
  %count = load i64, ptr @tensor_default_count
  br label %next
next:
  %i = phi i64 [ 0, %fill ], [ %i1, %set ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %end, label %set
set:
  %pair_cell = getelementptr { i64, ptr }, ptr %defaults, i64 %i
  %offset = load i64, ptr %pair_cell
  %value_cell = getelementptr { i64, ptr }, ptr %defaults, i64 %i, i32 1
  %value = load ptr, ptr %value_cell
  call void @Py_IncRef(ptr %value)
  %slot = getelementptr i8, ptr %tensor, i64 %offset
  store ptr %value, ptr %slot
  %i1 = add i64 %i, 1
  br label %next
end:
  %result0 = insertvalue { ptr, ptr } poison, ptr %data, 0
  %result = insertvalue { ptr, ptr } %result0, ptr %tensor, 1
  ret { ptr, ptr } %result
fail:
  ret { ptr, ptr } zeroinitializer
}

; Find the address of a storage whose owner keeps it, as arrays do, and store it; whether there was one.
define internal i1 @storage_resolve(ptr %storage) noinline {
  ; A Py_buffer is 80 bytes and begins with the address.
  %view = alloca [16 x i64], align 16
  %owner_slot = call ptr @slot_of(ptr %storage, ptr @storage_owner_offset)
  %owner = load ptr, ptr %owner_slot
  %no_owner = icmp eq ptr %owner, null
  br i1 %no_owner, label %no, label %open
open:
  ; Opening it may run Python code.
  call void @Py_IncRef(ptr %storage)
  call void @Py_IncRef(ptr %owner)
  %status = call i32 @PyObject_GetBuffer(ptr %owner, ptr %view, i32 0)
  %refused = icmp ne i32 %status, 0
  br i1 %refused, label %clear, label %read
read:
  %address = load ptr, ptr %view
  call void @PyBuffer_Release(ptr %view)
  %object = call ptr @PyLong_FromVoidPtr(ptr %address)
  %failed = icmp eq ptr %object, null
  br i1 %failed, label %clear, label %set
set:
  %slot = call ptr @slot_of(ptr %storage, ptr @storage_ptr_offset)
  %old = load ptr, ptr %slot
  store ptr %object, ptr %slot
  call void @Py_DecRef(ptr %old)
  br label %close
clear:
  call void @PyErr_Clear()
  br label %close
close:
  %found = phi i1 [ true, %set ], [ false, %clear ]
  call void @Py_DecRef(ptr %owner)
  call void @Py_DecRef(ptr %storage)
  ret i1 %found
no:
  ret i1 false
}

; {data, storage} of a tensor whose layout is exactly `layout`, the storage with a new reference; storage is null, and
; no exception is set, when the tensor is anything else or its address cannot be found.
define internal { ptr, ptr } @tensor_read(ptr %tensor, ptr %layout, i64 %itemsize) alwaysinline {
  %layout_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_layout_offset)
  %found_layout = load ptr, ptr %layout_slot
  %same = icmp eq ptr %found_layout, %layout
  br i1 %same, label %check_storage, label %miss
check_storage:
  %storage_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_storage_offset)
  %storage = load ptr, ptr %storage_slot
  %no_storage = icmp eq ptr %storage, null
  br i1 %no_storage, label %miss, label %check_type
check_type:
  %storage_class = call ptr @type_of(ptr %storage)
  %wanted_class = load ptr, ptr @storage_type
  %is_storage = icmp eq ptr %storage_class, %wanted_class
  br i1 %is_storage, label %check_address, label %miss
check_address:
  %ptr_slot = call ptr @slot_of(ptr %storage, ptr @storage_ptr_offset)
  %address_object = load ptr, ptr %ptr_slot
  %has_address = call i1 @is_int(ptr %address_object)
  br i1 %has_address, label %read_address, label %check_unknown
check_unknown:
  %none = load ptr, ptr @object_none
  %is_unknown = icmp eq ptr %address_object, %none
  br i1 %is_unknown, label %resolve, label %miss
resolve:
  %resolved = call i1 @storage_resolve(ptr %storage)
  br i1 %resolved, label %check_storage, label %miss
read_address:
  %address = call ptr @PyLong_AsVoidPtr(ptr %address_object)
  %bad_address = icmp eq ptr %address, null
  br i1 %bad_address, label %clear, label %check_offset
check_offset:
  %element_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_element_offset)
  %element_object = load ptr, ptr %element_slot
  %zero = load ptr, ptr @object_zero
  %is_zero = icmp eq ptr %element_object, %zero
  br i1 %is_zero, label %hold, label %check_element
check_element:
  %has_element = call i1 @is_int(ptr %element_object)
  br i1 %has_element, label %read_element, label %miss
read_element:
  %element = call i64 @PyLong_AsSsize_t(ptr %element_object)
  %bad_element = icmp slt i64 %element, 0
  br i1 %bad_element, label %clear, label %hold
hold:
  %elements = phi i64 [ 0, %check_offset ], [ %element, %read_element ]
  %bytes = mul i64 %elements, %itemsize
  %data = getelementptr i8, ptr %address, i64 %bytes
  call void @Py_IncRef(ptr %storage)
  %pair0 = insertvalue { ptr, ptr } poison, ptr %data, 0
  %pair = insertvalue { ptr, ptr } %pair0, ptr %storage, 1
  ret { ptr, ptr } %pair
clear:
  call void @PyErr_Clear()
  br label %miss
miss:
  ret { ptr, ptr } zeroinitializer
}

define internal i1 @is_int(ptr %object) alwaysinline {
  %none = icmp eq ptr %object, null
  br i1 %none, label %no, label %look
look:
  %type = call ptr @type_of(ptr %object)
  %int = load ptr, ptr @type_int
  %same = icmp eq ptr %type, %int
  ret i1 %same
no:
  ret i1 false
}

; METH_O functions for Python: nbytes -> (address, capsule), and nbytes -> Storage.
define ptr @pool_allocate(ptr %self, ptr %nbytes_object) {
  %nbytes = call i64 @PyLong_AsSsize_t(ptr %nbytes_object)
  %negative = icmp slt i64 %nbytes, 0
  br i1 %negative, label %refuse, label %make
refuse:
  %error = call ptr @PyErr_Occurred()
  %silent = icmp eq ptr %error, null
  br i1 %silent, label %set, label %fail
set:
  call void @raise_exhausted(i64 %nbytes)
  br label %fail
make:
  %block = call { ptr, ptr } @owned_block(i64 %nbytes)
  %payload = extractvalue { ptr, ptr } %block, 0
  %capsule = extractvalue { ptr, ptr } %block, 1
  %no_block = icmp eq ptr %capsule, null
  br i1 %no_block, label %fail, label %address
address:
  %address_object = call ptr @PyLong_FromVoidPtr(ptr %payload)
  %no_address = icmp eq ptr %address_object, null
  br i1 %no_address, label %drop_capsule, label %pair
pair:
  %tuple = call ptr @PyTuple_New(i64 2)
  %no_tuple = icmp eq ptr %tuple, null
  br i1 %no_tuple, label %drop_address, label %fill
fill:
  %ignored0 = call i32 @PyTuple_SetItem(ptr %tuple, i64 0, ptr %address_object)
  %ignored1 = call i32 @PyTuple_SetItem(ptr %tuple, i64 1, ptr %capsule)
  ret ptr %tuple
drop_address:
  call void @Py_DecRef(ptr %address_object)
  br label %drop_capsule
drop_capsule:
  call void @Py_DecRef(ptr %capsule)
  br label %fail
fail:
  ret ptr null
}

define ptr @storage_allocate(ptr %self, ptr %nbytes_object) {
  %nbytes = call i64 @PyLong_AsSsize_t(ptr %nbytes_object)
  %negative = icmp slt i64 %nbytes, 0
  br i1 %negative, label %refuse, label %make
refuse:
  %error = call ptr @PyErr_Occurred()
  %silent = icmp eq ptr %error, null
  br i1 %silent, label %set, label %fail
set:
  call void @raise_exhausted(i64 %nbytes)
  br label %fail
make:
  %made = call { ptr, ptr } @storage_new(i64 %nbytes, ptr %nbytes_object)
  %storage = extractvalue { ptr, ptr } %made, 1
  ret ptr %storage
fail:
  ret ptr null
}

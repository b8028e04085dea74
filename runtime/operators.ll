; What eager code does most: making a tensor of an array or of another tensor's memory, and arithmetic on two small
; tensors of one layout. Every function that returns an object returns a new reference, or null with an exception set.

@plan_offset = global i64 0          ; slot of a NativePlan that holds its words' address
@layout_numel_offset = global i64 0
@layout_nbytes_offset = global i64 0
@layout_itemsize_offset = global i64 0
@storage_seen_offset = global i64 0
@storage_seen_layout_offset = global i64 0
@storage_seen_offset_offset = global i64 0

; class, number of arguments, their slots' offsets, number of constants, pairs (slot offset, object)
%Construction = type { ptr, i64, ptr, i64, ptr }
; kernels by layout (a dict of addresses), function for everything else, thread-local modes, name of the trace in them,
; a second tensor class, offsets of the slots for "requires grad" and "view", False, function that says whether a
; gradient flows to a view, function that calls another one on arrays, function that makes a tensor of an array and its
; layout
%Operator = type { ptr, ptr, ptr, ptr, ptr, i64, i64, ptr, ptr, ptr, ptr }

define internal ptr @plan_of(ptr %self) alwaysinline {
  %slot = call ptr @slot_of(ptr %self, ptr @plan_offset)
  %address = load ptr, ptr %slot
  %known = call i1 @is_int(ptr %address)
  br i1 %known, label %read, label %gone
read:
  %plan = call ptr @PyLong_AsVoidPtr(ptr %address)
  ret ptr %plan
gone:
  %exception = load ptr, ptr @exception_type
  call void @PyErr_SetString(ptr %exception, ptr @torn_down)
  ret ptr null
}

; METH_FASTCALL; self is a NativePlan over a %Construction. The arguments and constants fill all slots.
define ptr @construct(ptr %self, ptr %args, i64 %nargs) {
entry:
  %plan = call ptr @plan_of(ptr %self)
  %gone = icmp eq ptr %plan, null
  br i1 %gone, label %fail, label %make
make:
  %class = load ptr, ptr %plan
  %object = call ptr @PyType_GenericAlloc(ptr %class, i64 0)
  %no_object = icmp eq ptr %object, null
  br i1 %no_object, label %fail, label %fill
fill:
  %offsets_cell = getelementptr %Construction, ptr %plan, i64 0, i32 2
  %offsets = load ptr, ptr %offsets_cell
  %wanted_cell = getelementptr %Construction, ptr %plan, i64 0, i32 1
  %wanted = load i64, ptr %wanted_cell
  %fewer = icmp ult i64 %nargs, %wanted
  %count = select i1 %fewer, i64 %nargs, i64 %wanted
  br label %argument
argument:
  %i = phi i64 [ 0, %fill ], [ %i1, %set ]
  %filled = icmp eq i64 %i, %count
  br i1 %filled, label %fixed, label %set
set:
  %value_cell = getelementptr ptr, ptr %args, i64 %i
  %value = load ptr, ptr %value_cell
  call void @Py_IncRef(ptr %value)
  %offset_cell = getelementptr i64, ptr %offsets, i64 %i
  %offset = load i64, ptr %offset_cell
  %slot = getelementptr i8, ptr %object, i64 %offset
  store ptr %value, ptr %slot
  %i1 = add i64 %i, 1
  br label %argument
fixed:
  %constants_cell = getelementptr %Construction, ptr %plan, i64 0, i32 3
  %constants = load i64, ptr %constants_cell
  %pairs_cell = getelementptr %Construction, ptr %plan, i64 0, i32 4
  %pairs = load ptr, ptr %pairs_cell
  br label %constant
constant:
  %j = phi i64 [ 0, %fixed ], [ %j1, %copy ]
  %done = icmp eq i64 %j, %constants
  br i1 %done, label %end, label %copy
copy:
  %place_cell = getelementptr { i64, ptr }, ptr %pairs, i64 %j
  %place = load i64, ptr %place_cell
  %same_cell = getelementptr { i64, ptr }, ptr %pairs, i64 %j, i32 1
  %same = load ptr, ptr %same_cell
  call void @Py_IncRef(ptr %same)
  %place_slot = getelementptr i8, ptr %object, i64 %place
  store ptr %same, ptr %place_slot
  %j1 = add i64 %j, 1
  br label %constant
end:
  ret ptr %object
fail:
  ret ptr null
}

; Whether it is a tensor to which no gradient flows; no exception is left.
define internal i1 @is_plain(ptr %object, ptr %plan) alwaysinline {
  %class = call ptr @type_of(ptr %object)
  %first = load ptr, ptr @tensor_type
  %is_first = icmp eq ptr %class, %first
  br i1 %is_first, label %look, label %check_second
check_second:
  %second_cell = getelementptr %Operator, ptr %plan, i64 0, i32 4
  %second = load ptr, ptr %second_cell
  %is_second = icmp eq ptr %class, %second
  br i1 %is_second, label %look, label %no
look:
  %false_cell = getelementptr %Operator, ptr %plan, i64 0, i32 7
  %false = load ptr, ptr %false_cell
  %view_cell = getelementptr %Operator, ptr %plan, i64 0, i32 6
  %view_slot = call ptr @slot_of(ptr %object, ptr %view_cell)
  %view = load ptr, ptr %view_slot
  %none = load ptr, ptr @object_none
  %alone = icmp eq ptr %view, %none
  br i1 %alone, label %read, label %ask
read:
  %grad_cell = getelementptr %Operator, ptr %plan, i64 0, i32 5
  %grad_slot = call ptr @slot_of(ptr %object, ptr %grad_cell)
  %grad = load ptr, ptr %grad_slot
  %still = icmp eq ptr %grad, %false
  ret i1 %still
ask:
  ; What was written to its base may have made a gradient flow.
  %argument = alloca ptr
  store ptr %object, ptr %argument
  %function_cell = getelementptr %Operator, ptr %plan, i64 0, i32 8
  %function = load ptr, ptr %function_cell
  %answer = call ptr @PyObject_Vectorcall(ptr %function, ptr %argument, i64 1, ptr null)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %clear, label %compare
compare:
  call void @Py_DecRef(ptr %answer)
  %not = icmp eq ptr %answer, %false
  ret i1 %not
clear:
  call void @PyErr_Clear()
  br label %no
no:
  ret i1 false
}

; An int in a layout's slot.
define internal i64 @layout_word(ptr %layout, ptr %offset_cell) alwaysinline {
  %slot = call ptr @slot_of(ptr %layout, ptr %offset_cell)
  %object = load ptr, ptr %slot
  %value = call i64 @PyLong_AsSsize_t(ptr %object)
  ret i64 %value
}

; Whether this thread runs eagerly; no exception is left.
define internal i1 @runs_eagerly(ptr %plan) alwaysinline {
  %modes_cell = getelementptr %Operator, ptr %plan, i64 0, i32 2
  %modes = load ptr, ptr %modes_cell
  %name_cell = getelementptr %Operator, ptr %plan, i64 0, i32 3
  %name = load ptr, ptr %name_cell
  %trace = call ptr @PyObject_GetAttr(ptr %modes, ptr %name)
  %failed = icmp eq ptr %trace, null
  br i1 %failed, label %clear, label %compare
compare:
  call void @Py_DecRef(ptr %trace)
  %none = load ptr, ptr @object_none
  %eager = icmp eq ptr %trace, %none
  ret i1 %eager
clear:
  call void @PyErr_Clear()
  ret i1 false
}

; The kernel for a layout; null if there is none, and no exception is left.
define internal ptr @kernel_for(ptr %plan, ptr %layout) alwaysinline {
  %kernels = load ptr, ptr %plan
  %address = call ptr @PyDict_GetItemWithError(ptr %kernels, ptr %layout)
  %absent = icmp eq ptr %address, null
  br i1 %absent, label %clear, label %read
read:
  %kernel = call ptr @PyLong_AsVoidPtr(ptr %address)
  ret ptr %kernel
clear:
  call void @PyErr_Clear()
  ret ptr null
}

; METH_FASTCALL | METH_KEYWORDS; self is a NativePlan over an %Operator.
define ptr @operate(ptr %self, ptr %args, i64 %nargs, ptr %names) {
entry:
  %plan = call ptr @plan_of(ptr %self)
  %gone = icmp eq ptr %plan, null
  br i1 %gone, label %fail, label %check_names
check_names:
  %no_names = icmp eq ptr %names, null
  %two = icmp eq i64 %nargs, 2
  %fits = and i1 %no_names, %two
  br i1 %fits, label %check_left, label %other
check_left:
  %left = load ptr, ptr %args
  %right_cell = getelementptr ptr, ptr %args, i64 1
  %right = load ptr, ptr %right_cell
  %left_plain = call i1 @is_plain(ptr %left, ptr %plan)
  br i1 %left_plain, label %check_right, label %other
check_right:
  %right_plain = call i1 @is_plain(ptr %right, ptr %plan)
  br i1 %right_plain, label %find, label %other
find:
  %layout_slot = call ptr @slot_of(ptr %left, ptr @tensor_layout_offset)
  %layout = load ptr, ptr %layout_slot
  %kernel = call ptr @kernel_for(ptr %plan, ptr %layout)
  %no_kernel = icmp eq ptr %kernel, null
  br i1 %no_kernel, label %other, label %check_mode
check_mode:
  %eager = call i1 @runs_eagerly(ptr %plan)
  br i1 %eager, label %read_left, label %other
read_left:
  ; The kernels' dict holds the layout.
  %itemsize = call i64 @layout_word(ptr %layout, ptr @layout_itemsize_offset)
  %a = call { ptr, ptr } @tensor_read(ptr %left, ptr %layout, i64 %itemsize)
  %a_storage = extractvalue { ptr, ptr } %a, 1
  %no_left = icmp eq ptr %a_storage, null
  br i1 %no_left, label %other, label %read_right
read_right:
  %b = call { ptr, ptr } @tensor_read(ptr %right, ptr %layout, i64 %itemsize)
  %b_storage = extractvalue { ptr, ptr } %b, 1
  %no_right = icmp eq ptr %b_storage, null
  br i1 %no_right, label %drop_left, label %make
drop_left:
  call void @Py_DecRef(ptr %a_storage)
  br label %other
make:
  %numel = call i64 @layout_word(ptr %layout, ptr @layout_numel_offset)
  %nbytes_slot = call ptr @slot_of(ptr %layout, ptr @layout_nbytes_offset)
  %nbytes_object = load ptr, ptr %nbytes_slot
  %nbytes = call i64 @PyLong_AsSsize_t(ptr %nbytes_object)
  %made = call { ptr, ptr } @tensor_new(ptr %layout, i64 %nbytes, ptr %nbytes_object)
  %result = extractvalue { ptr, ptr } %made, 1
  %no_result = icmp eq ptr %result, null
  br i1 %no_result, label %close, label %run
run:
  %a_data = extractvalue { ptr, ptr } %a, 0
  %b_data = extractvalue { ptr, ptr } %b, 0
  %data = extractvalue { ptr, ptr } %made, 0
  call void %kernel(ptr %a_data, ptr %b_data, ptr %data, i64 %numel)
  br label %close
close:
  call void @Py_DecRef(ptr %a_storage)
  call void @Py_DecRef(ptr %b_storage)
  ret ptr %result
other:
  %slow_cell = getelementptr %Operator, ptr %plan, i64 0, i32 1
  %slow = load ptr, ptr %slow_cell
  %answer = call ptr @PyObject_Vectorcall(ptr %slow, ptr %args, i64 %nargs, ptr %names)
  ret ptr %answer
fail:
  ret ptr null
}

; The array as which a tensor's memory was seen last, borrowed, if that is how the tensor sees it; else null.
define internal ptr @array_seen(ptr %tensor, ptr %layout) alwaysinline {
  %storage_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_storage_offset)
  %storage = load ptr, ptr %storage_slot
  %no_storage = icmp eq ptr %storage, null
  br i1 %no_storage, label %no, label %check_type
check_type:
  %class = call ptr @type_of(ptr %storage)
  %wanted = load ptr, ptr @storage_type
  %is_storage = icmp eq ptr %class, %wanted
  br i1 %is_storage, label %check_layout, label %no
check_layout:
  %seen_layout_slot = call ptr @slot_of(ptr %storage, ptr @storage_seen_layout_offset)
  %seen_layout = load ptr, ptr %seen_layout_slot
  %same_layout = icmp eq ptr %seen_layout, %layout
  br i1 %same_layout, label %check_place, label %no
check_place:
  ; Small ints are one object each; others are simply not recognised.
  %seen_offset_slot = call ptr @slot_of(ptr %storage, ptr @storage_seen_offset_offset)
  %seen_offset = load ptr, ptr %seen_offset_slot
  %element_slot = call ptr @slot_of(ptr %tensor, ptr @tensor_element_offset)
  %element = load ptr, ptr %element_slot
  %same_place = icmp eq ptr %seen_offset, %element
  br i1 %same_place, label %yes, label %no
yes:
  %seen_slot = call ptr @slot_of(ptr %storage, ptr @storage_seen_offset)
  %seen = load ptr, ptr %seen_slot
  ret ptr %seen
no:
  ret ptr null
}

; The pair (function of two arrays, layout of its result) for two layouts, borrowed; null if there is none, and no
; exception is left.
define internal ptr @function_for(ptr %plan, ptr %left, ptr %right) alwaysinline {
  %key = call ptr @PyTuple_New(i64 2)
  %no_key = icmp eq ptr %key, null
  br i1 %no_key, label %clear, label %fill
fill:
  call void @Py_IncRef(ptr %left)
  call void @Py_IncRef(ptr %right)
  %ignored0 = call i32 @PyTuple_SetItem(ptr %key, i64 0, ptr %left)
  %ignored1 = call i32 @PyTuple_SetItem(ptr %key, i64 1, ptr %right)
  %functions = load ptr, ptr %plan
  %pair = call ptr @PyDict_GetItemWithError(ptr %functions, ptr %key)
  call void @Py_DecRef(ptr %key)
  %absent = icmp eq ptr %pair, null
  br i1 %absent, label %clear, label %found
found:
  ret ptr %pair
clear:
  call void @PyErr_Clear()
  ret ptr null
}

; METH_FASTCALL | METH_KEYWORDS; self is a NativePlan over an %Operator whose dict holds functions of two arrays. What
; such a function raises makes the call go to the slow function, which says it better.
define ptr @operate_on_arrays(ptr %self, ptr %args, i64 %nargs, ptr %names) {
entry:
  %arguments = alloca [3 x ptr]
  %plan = call ptr @plan_of(ptr %self)
  %gone = icmp eq ptr %plan, null
  br i1 %gone, label %fail, label %check_names
check_names:
  %no_names = icmp eq ptr %names, null
  %two = icmp eq i64 %nargs, 2
  %fits = and i1 %no_names, %two
  br i1 %fits, label %check_left, label %other
check_left:
  %left = load ptr, ptr %args
  %right_cell = getelementptr ptr, ptr %args, i64 1
  %right = load ptr, ptr %right_cell
  %left_plain = call i1 @is_plain(ptr %left, ptr %plan)
  br i1 %left_plain, label %check_right, label %other
check_right:
  %right_plain = call i1 @is_plain(ptr %right, ptr %plan)
  br i1 %right_plain, label %find, label %other
find:
  %left_slot = call ptr @slot_of(ptr %left, ptr @tensor_layout_offset)
  %left_layout = load ptr, ptr %left_slot
  %right_slot = call ptr @slot_of(ptr %right, ptr @tensor_layout_offset)
  %right_layout = load ptr, ptr %right_slot
  %pair = call ptr @function_for(ptr %plan, ptr %left_layout, ptr %right_layout)
  %no_function = icmp eq ptr %pair, null
  br i1 %no_function, label %other, label %check_mode
check_mode:
  %eager = call i1 @runs_eagerly(ptr %plan)
  br i1 %eager, label %read, label %other
read:
  %left_array = call ptr @array_seen(ptr %left, ptr %left_layout)
  %right_array = call ptr @array_seen(ptr %right, ptr %right_layout)
  %no_left = icmp eq ptr %left_array, null
  %no_right = icmp eq ptr %right_array, null
  %unknown = or i1 %no_left, %no_right
  br i1 %unknown, label %other, label %run
run:
  ; The dict may change while the function runs, and the storages may be seen in other ways.
  call void @Py_IncRef(ptr %pair)
  call void @Py_IncRef(ptr %left_array)
  call void @Py_IncRef(ptr %right_array)
  %function = call ptr @PyTuple_GetItem(ptr %pair, i64 0)
  %left_argument = getelementptr [3 x ptr], ptr %arguments, i64 0, i64 1
  %right_argument = getelementptr [3 x ptr], ptr %arguments, i64 0, i64 2
  store ptr %function, ptr %arguments
  store ptr %left_array, ptr %left_argument
  store ptr %right_array, ptr %right_argument
  %call_cell = getelementptr %Operator, ptr %plan, i64 0, i32 9
  %call = load ptr, ptr %call_cell
  %array = call ptr @PyObject_Vectorcall(ptr %call, ptr %arguments, i64 3, ptr null)
  call void @Py_DecRef(ptr %right_array)
  call void @Py_DecRef(ptr %left_array)
  %raised = icmp eq ptr %array, null
  br i1 %raised, label %again, label %wrap
again:
  call void @PyErr_Clear()
  call void @Py_DecRef(ptr %pair)
  br label %other
wrap:
  %layout = call ptr @PyTuple_GetItem(ptr %pair, i64 1)
  store ptr %array, ptr %arguments
  store ptr %layout, ptr %left_argument
  %make_cell = getelementptr %Operator, ptr %plan, i64 0, i32 10
  %make = load ptr, ptr %make_cell
  %result = call ptr @PyObject_Vectorcall(ptr %make, ptr %arguments, i64 2, ptr null)
  call void @Py_DecRef(ptr %array)
  call void @Py_DecRef(ptr %pair)
  ret ptr %result
other:
  %slow_cell = getelementptr %Operator, ptr %plan, i64 0, i32 1
  %slow = load ptr, ptr %slow_cell
  %answer = call ptr @PyObject_Vectorcall(ptr %slow, ptr %args, i64 %nargs, ptr %names)
  ret ptr %answer
fail:
  ret ptr null
}

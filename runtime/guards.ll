; Guards: walks an argument along a guard program and collects buffers on the way.
;
; A guard program is a sequence of 64-bit words in prefix order; OPCODES in dispatch_native.py names its operations:
;   0 TENSOR layout type itemsize buffer n (slot object)*n      5 EQUAL object
;   1 TUPLE n program*n                                         6 FLOAT_BITS bits
;   2 LIST n program*n                                          7 SCALAR buffer cell
;   3 DICT n (key program)*n                                    8 COMPLEX_BITS real imaginary
;   4 IDENTITY object                                           9 ANY
;                                                              10 PREDICATE callable
; No guard leaves an exception set. Items of lists and dicts are held while they are walked, because a comparison may
; run Python code that changes the container.

; A lookup names an object and the guard program for what is found there:
;   0 ITEM dict key     1 ATTRIBUTE object name     2 CELL cell -     3 SLOT object offset
%Lookup = type { i64, ptr, ptr, ptr }
; bufs, cells, next free entry of the list of held storages
%Frame = type { ptr, ptr, ptr }

@type_tuple = global ptr null
@type_list = global ptr null
@type_dict = global ptr null
@type_float = global ptr null
@type_complex = global ptr null
; program_calls, misses, python_callbacks
@call_counts = global [3 x i64] zeroinitializer

declare i64 @PyTuple_Size(ptr)
declare ptr @PyTuple_GetItem(ptr, i64)
declare i64 @PyList_Size(ptr)
declare ptr @PyList_GetItem(ptr, i64)
declare i64 @PyDict_Size(ptr)
declare i32 @PyDict_Next(ptr, ptr, ptr, ptr)
declare double @PyFloat_AsDouble(ptr)
declare double @PyComplex_RealAsDouble(ptr)
declare double @PyComplex_ImagAsDouble(ptr)
declare double @PyLong_AsDouble(ptr)
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
declare i32 @PyObject_IsTrue(ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare ptr @PyCell_Get(ptr)

define internal i64 @word(ptr %pc, i64 %index) alwaysinline {
  %cell = getelementptr i64, ptr %pc, i64 %index
  %value = load i64, ptr %cell
  ret i64 %value
}

define internal ptr @pointer_word(ptr %pc, i64 %index) alwaysinline {
  %cell = getelementptr ptr, ptr %pc, i64 %index
  %value = load ptr, ptr %cell
  ret ptr %value
}

define internal i1 @has_type(ptr %object, ptr %type_cell) alwaysinline {
  %found = call ptr @type_of(ptr %object)
  %wanted = load ptr, ptr %type_cell
  %same = icmp eq ptr %found, %wanted
  ret i1 %same
}

define internal void @count_call(i64 %which) alwaysinline {
  %cell = getelementptr [3 x i64], ptr @call_counts, i64 0, i64 %which
  %old = load i64, ptr %cell
  %new = add i64 %old, 1
  store i64 %new, ptr %cell
  ret void
}

define internal void @set_buffer(ptr %frame, i64 %buffer, ptr %data) alwaysinline {
  %bufs = load ptr, ptr %frame
  %cell = getelementptr ptr, ptr %bufs, i64 %buffer
  store ptr %data, ptr %cell
  ret void
}

define internal void @hold(ptr %frame, ptr %storage) alwaysinline {
  %next_cell = getelementptr %Frame, ptr %frame, i64 0, i32 2
  %next = load ptr, ptr %next_cell
  store ptr %storage, ptr %next
  %after = getelementptr ptr, ptr %next, i64 1
  store ptr %after, ptr %next_cell
  ret void
}

; Put a number into cell `cell` and its address into `buffer`.
define internal void @set_cell(ptr %frame, i64 %buffer, i64 %cell, double %value) alwaysinline {
  %cells_cell = getelementptr %Frame, ptr %frame, i64 0, i32 1
  %cells = load ptr, ptr %cells_cell
  %place = getelementptr double, ptr %cells, i64 %cell
  store double %value, ptr %place
  call void @set_buffer(ptr %frame, i64 %buffer, ptr %place)
  ret void
}

; Same object, or same type and ==.
define internal i1 @equals(ptr %object, ptr %expected) {
  %same = icmp eq ptr %object, %expected
  br i1 %same, label %yes, label %types
types:
  %object_type = call ptr @type_of(ptr %object)
  %expected_type = call ptr @type_of(ptr %expected)
  %same_type = icmp eq ptr %object_type, %expected_type
  br i1 %same_type, label %compare, label %no
compare:
  %result = call i32 @PyObject_RichCompareBool(ptr %object, ptr %expected, i32 2)
  %failed = icmp slt i32 %result, 0
  br i1 %failed, label %clear, label %answer
answer:
  %equal = icmp eq i32 %result, 1
  ret i1 %equal
clear:
  call void @PyErr_Clear()
  ret i1 false
yes:
  ret i1 true
no:
  ret i1 false
}

define internal i1 @bits_equal(double %value, i64 %expected) alwaysinline {
  %bits = bitcast double %value to i64
  %same = icmp eq i64 %bits, %expected
  ret i1 %same
}

; Whether callable(object) is true.
define internal i1 @predicate(ptr %callable, ptr %object) noinline {
  %arguments = alloca ptr
  store ptr %object, ptr %arguments
  call void @count_call(i64 2)
  %answer = call ptr @PyObject_Vectorcall(ptr %callable, ptr %arguments, i64 1, ptr null)
  %failed = icmp eq ptr %answer, null
  br i1 %failed, label %clear, label %test
test:
  %true = call i32 @PyObject_IsTrue(ptr %answer)
  call void @Py_DecRef(ptr %answer)
  %error = icmp slt i32 %true, 0
  br i1 %error, label %clear, label %end
end:
  %result = icmp eq i32 %true, 1
  ret i1 %result
clear:
  call void @PyErr_Clear()
  ret i1 false
}

; Guard one tensor; the next program position or null.
define internal ptr @walk_tensor(ptr %object, ptr %pc, ptr %frame) alwaysinline {
  %type = call ptr @type_of(ptr %object)
  %wanted = call ptr @pointer_word(ptr %pc, i64 2)
  %same = icmp eq ptr %type, %wanted
  br i1 %same, label %read, label %miss
read:
  %layout = call ptr @pointer_word(ptr %pc, i64 1)
  %itemsize = call i64 @word(ptr %pc, i64 3)
  %found = call { ptr, ptr } @tensor_read(ptr %object, ptr %layout, i64 %itemsize)
  %data = extractvalue { ptr, ptr } %found, 0
  %storage = extractvalue { ptr, ptr } %found, 1
  %unread = icmp eq ptr %storage, null
  br i1 %unread, label %miss, label %take
take:
  call void @hold(ptr %frame, ptr %storage)
  %buffer = call i64 @word(ptr %pc, i64 4)
  call void @set_buffer(ptr %frame, i64 %buffer, ptr %data)
  %count = call i64 @word(ptr %pc, i64 5)
  br label %slots
slots:
  %i = phi i64 [ 0, %take ], [ %i1, %slot_ok ]
  %done = icmp eq i64 %i, %count
  %at = shl i64 %i, 1
  %row = add i64 %at, 6
  br i1 %done, label %end, label %slot
slot:
  %offset = call i64 @word(ptr %pc, i64 %row)
  %row1 = add i64 %row, 1
  %expected = call ptr @pointer_word(ptr %pc, i64 %row1)
  %cell = getelementptr i8, ptr %object, i64 %offset
  %value = load ptr, ptr %cell
  %same_value = icmp eq ptr %value, %expected
  br i1 %same_value, label %slot_ok, label %miss
slot_ok:
  %i1 = add i64 %i, 1
  br label %slots
end:
  %next = getelementptr i64, ptr %pc, i64 %row
  ret ptr %next
miss:
  ret ptr null
}

define internal ptr @walk_tuple(ptr %object, ptr %pc, ptr %frame) {
entry:
  %is_tuple = call i1 @has_type(ptr %object, ptr @type_tuple)
  br i1 %is_tuple, label %check, label %miss
check:
  %count = call i64 @word(ptr %pc, i64 1)
  %size = call i64 @PyTuple_Size(ptr %object)
  %fits = icmp eq i64 %size, %count
  br i1 %fits, label %start, label %miss
start:
  %first = getelementptr i64, ptr %pc, i64 2
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i1, %ok ]
  %at = phi ptr [ %first, %start ], [ %after, %ok ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %end, label %item
item:
  %element = call ptr @PyTuple_GetItem(ptr %object, i64 %i)
  %after = call ptr @walk(ptr %element, ptr %at, ptr %frame)
  %failed = icmp eq ptr %after, null
  br i1 %failed, label %miss, label %ok
ok:
  %i1 = add i64 %i, 1
  br label %next
end:
  ret ptr %at
miss:
  ret ptr null
}

define internal ptr @walk_list(ptr %object, ptr %pc, ptr %frame) {
entry:
  %is_list = call i1 @has_type(ptr %object, ptr @type_list)
  br i1 %is_list, label %check, label %miss
check:
  %count = call i64 @word(ptr %pc, i64 1)
  %size = call i64 @PyList_Size(ptr %object)
  %fits = icmp eq i64 %size, %count
  br i1 %fits, label %start, label %miss
start:
  %first = getelementptr i64, ptr %pc, i64 2
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i1, %ok ]
  %at = phi ptr [ %first, %start ], [ %after, %ok ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %end, label %item
item:
  %element = call ptr @PyList_GetItem(ptr %object, i64 %i)
  %gone = icmp eq ptr %element, null
  br i1 %gone, label %clear, label %held
held:
  call void @Py_IncRef(ptr %element)
  %after = call ptr @walk(ptr %element, ptr %at, ptr %frame)
  call void @Py_DecRef(ptr %element)
  %failed = icmp eq ptr %after, null
  br i1 %failed, label %miss, label %ok
ok:
  %i1 = add i64 %i, 1
  br label %next
end:
  ret ptr %at
clear:
  call void @PyErr_Clear()
  br label %miss
miss:
  ret ptr null
}

; The same keys in the same order: iteration order is something a function may depend on.
define internal ptr @walk_dict(ptr %object, ptr %pc, ptr %frame) {
entry:
  %position = alloca i64
  %key_cell = alloca ptr
  %value_cell = alloca ptr
  %is_dict = call i1 @has_type(ptr %object, ptr @type_dict)
  br i1 %is_dict, label %check, label %miss
check:
  %count = call i64 @word(ptr %pc, i64 1)
  %size = call i64 @PyDict_Size(ptr %object)
  %fits = icmp eq i64 %size, %count
  br i1 %fits, label %start, label %miss
start:
  store i64 0, ptr %position
  %first = getelementptr i64, ptr %pc, i64 2
  br label %next
next:
  %i = phi i64 [ 0, %start ], [ %i1, %ok ]
  %at = phi ptr [ %first, %start ], [ %after, %ok ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %end, label %item
item:
  %more = call i32 @PyDict_Next(ptr %object, ptr %position, ptr %key_cell, ptr %value_cell)
  %gone = icmp eq i32 %more, 0
  br i1 %gone, label %miss, label %held
held:
  %key = load ptr, ptr %key_cell
  %value = load ptr, ptr %value_cell
  call void @Py_IncRef(ptr %value)
  %expected = load ptr, ptr %at
  %same_key = call i1 @equals(ptr %key, ptr %expected)
  br i1 %same_key, label %walk, label %drop
walk:
  %value_program = getelementptr i64, ptr %at, i64 1
  %after = call ptr @walk(ptr %value, ptr %value_program, ptr %frame)
  call void @Py_DecRef(ptr %value)
  %failed = icmp eq ptr %after, null
  br i1 %failed, label %miss, label %ok
ok:
  %i1 = add i64 %i, 1
  br label %next
end:
  ret ptr %at
drop:
  call void @Py_DecRef(ptr %value)
  br label %miss
miss:
  ret ptr null
}

; The program position behind the guard of `object`, or null when the guard fails.
define internal ptr @walk(ptr %object, ptr %pc, ptr %frame) {
  %opcode = load i64, ptr %pc
  switch i64 %opcode, label %miss [
    i64 0, label %tensor
    i64 1, label %tuple
    i64 2, label %list
    i64 3, label %dict
    i64 4, label %identity
    i64 5, label %equal
    i64 6, label %float_bits
    i64 7, label %scalar
    i64 8, label %complex_bits
    i64 9, label %any
    i64 10, label %ask
  ]
tensor:
  %after_tensor = call ptr @walk_tensor(ptr %object, ptr %pc, ptr %frame)
  ret ptr %after_tensor
tuple:
  %after_tuple = call ptr @walk_tuple(ptr %object, ptr %pc, ptr %frame)
  ret ptr %after_tuple
list:
  %after_list = call ptr @walk_list(ptr %object, ptr %pc, ptr %frame)
  ret ptr %after_list
dict:
  %after_dict = call ptr @walk_dict(ptr %object, ptr %pc, ptr %frame)
  ret ptr %after_dict
identity:
  %expected_identity = call ptr @pointer_word(ptr %pc, i64 1)
  %identical = icmp eq ptr %object, %expected_identity
  br i1 %identical, label %two, label %miss
equal:
  %expected_equal = call ptr @pointer_word(ptr %pc, i64 1)
  %is_equal = call i1 @equals(ptr %object, ptr %expected_equal)
  br i1 %is_equal, label %two, label %miss
float_bits:
  %is_float = call i1 @has_type(ptr %object, ptr @type_float)
  br i1 %is_float, label %compare_bits, label %miss
compare_bits:
  %value = call double @PyFloat_AsDouble(ptr %object)
  %bits = call i64 @word(ptr %pc, i64 1)
  %same_bits = call i1 @bits_equal(double %value, i64 %bits)
  br i1 %same_bits, label %two, label %miss
scalar:
  %is_scalar = call i1 @has_type(ptr %object, ptr @type_float)
  br i1 %is_scalar, label %take_scalar, label %miss
take_scalar:
  %number = call double @PyFloat_AsDouble(ptr %object)
  %buffer = call i64 @word(ptr %pc, i64 1)
  %cell = call i64 @word(ptr %pc, i64 2)
  call void @set_cell(ptr %frame, i64 %buffer, i64 %cell, double %number)
  br label %three
complex_bits:
  %is_complex = call i1 @has_type(ptr %object, ptr @type_complex)
  br i1 %is_complex, label %compare_real, label %miss
compare_real:
  %real = call double @PyComplex_RealAsDouble(ptr %object)
  %real_bits = call i64 @word(ptr %pc, i64 1)
  %same_real = call i1 @bits_equal(double %real, i64 %real_bits)
  br i1 %same_real, label %compare_imaginary, label %miss
compare_imaginary:
  %imaginary = call double @PyComplex_ImagAsDouble(ptr %object)
  %imaginary_bits = call i64 @word(ptr %pc, i64 2)
  %same_imaginary = call i1 @bits_equal(double %imaginary, i64 %imaginary_bits)
  br i1 %same_imaginary, label %three, label %miss
any:
  %after_any = getelementptr i64, ptr %pc, i64 1
  ret ptr %after_any
ask:
  %callable = call ptr @pointer_word(ptr %pc, i64 1)
  %accepted = call i1 @predicate(ptr %callable, ptr %object)
  br i1 %accepted, label %two, label %miss
two:
  %after_two = getelementptr i64, ptr %pc, i64 2
  ret ptr %after_two
three:
  %after_three = getelementptr i64, ptr %pc, i64 3
  ret ptr %after_three
miss:
  ret ptr null
}

; What a lookup finds, with a new reference; null, with no exception left, when there is nothing.
define internal ptr @look_up(ptr %row) {
  %kind = load i64, ptr %row
  %object_cell = getelementptr %Lookup, ptr %row, i64 0, i32 1
  %object = load ptr, ptr %object_cell
  %key_cell = getelementptr %Lookup, ptr %row, i64 0, i32 2
  %key = load ptr, ptr %key_cell
  switch i64 %kind, label %cell [
    i64 0, label %item
    i64 1, label %attribute
    i64 3, label %slot
  ]
slot:
  %offset = ptrtoint ptr %key to i64
  %place = getelementptr i8, ptr %object, i64 %offset
  %held = load ptr, ptr %place
  %unset = icmp eq ptr %held, null
  br i1 %unset, label %nothing, label %keep
keep:
  call void @Py_IncRef(ptr %held)
  ret ptr %held
item:
  %borrowed = call ptr @PyDict_GetItemWithError(ptr %object, ptr %key)
  %no_item = icmp eq ptr %borrowed, null
  br i1 %no_item, label %clear, label %own
own:
  call void @Py_IncRef(ptr %borrowed)
  ret ptr %borrowed
attribute:
  %read = call ptr @PyObject_GetAttr(ptr %object, ptr %key)
  %no_attribute = icmp eq ptr %read, null
  br i1 %no_attribute, label %clear, label %have
have:
  ret ptr %read
cell:
  %contents = call ptr @PyCell_Get(ptr %object)
  ret ptr %contents
clear:
  call void @PyErr_Clear()
  br label %nothing
nothing:
  ret ptr null
}

; Whether a lookup finds what its guard program accepts.
define internal i1 @lookup_passes(ptr %row, ptr %frame) {
  %value = call ptr @look_up(ptr %row)
  %nothing = icmp eq ptr %value, null
  br i1 %nothing, label %no, label %check
check:
  %program_cell = getelementptr %Lookup, ptr %row, i64 0, i32 3
  %program = load ptr, ptr %program_cell
  %after = call ptr @walk(ptr %value, ptr %program, ptr %frame)
  call void @Py_DecRef(ptr %value)
  %pass = icmp ne ptr %after, null
  ret i1 %pass
no:
  ret i1 false
}

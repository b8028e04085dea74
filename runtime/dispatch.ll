; The call path: tries each specialisation of a function, runs the first whose guards pass, else calls the slow path.

@table_offset = global i64 0                       ; slot of a CallTable that holds its table's address
@epoch = global i64 0
@exception_type = global ptr null                  ; RuntimeError
@miss = internal constant i8 0                     ; its address is no object: "guards failed"
@torn_down = internal constant [40 x i8] c"this compiled function has been deleted\00"

declare void @PyErr_SetString(ptr, ptr)

; A float, or an int that a float can hold: whether it was one, with no exception left.
define internal i1 @host_number(ptr %object, ptr %result) {
  %is_float = call i1 @has_type(ptr %object, ptr @type_float)
  br i1 %is_float, label %from_float, label %check_int
from_float:
  %float = call double @PyFloat_AsDouble(ptr %object)
  store double %float, ptr %result
  ret i1 true
check_int:
  %is_int = call i1 @has_type(ptr %object, ptr @type_int)
  br i1 %is_int, label %from_int, label %no
from_int:
  %int = call double @PyLong_AsDouble(ptr %object)
  store double %int, ptr %result
  %suspect = fcmp oeq double %int, -1.0
  br i1 %suspect, label %check_error, label %yes
check_error:
  %error = call ptr @PyErr_Occurred()
  %fine = icmp eq ptr %error, null
  br i1 %fine, label %yes, label %clear
clear:
  call void @PyErr_Clear()
  br label %no
yes:
  ret i1 true
no:
  ret i1 false
}

; Read one scalar from the host object that holds it.
define internal i1 @read_host(ptr %row, ptr %frame) {
  %number = alloca double
  %value = call ptr @look_up(ptr %row)
  %nothing = icmp eq ptr %value, null
  br i1 %nothing, label %fail, label %convert
convert:
  %ok = call i1 @host_number(ptr %value, ptr %number)
  call void @Py_DecRef(ptr %value)
  br i1 %ok, label %take, label %fail
take:
  %buffer_cell = getelementptr %Host, ptr %row, i64 0, i32 3
  %buffer = load i64, ptr %buffer_cell
  %cell_cell = getelementptr %Host, ptr %row, i64 0, i32 4
  %cell = load i64, ptr %cell_cell
  %double = load double, ptr %number
  call void @set_cell(ptr %frame, i64 %buffer, i64 %cell, double %double)
  ret i1 true
fail:
  ret i1 false
}

; Whether no argument lies in memory that the program writes to through another tensor.
define internal i1 @arguments_apart(ptr %spec, ptr %held) alwaysinline {
entry:
  %first_cell = getelementptr %Spec, ptr %spec, i64 0, i32 26
  %first_argument = load i64, ptr %first_cell
  %end_cell = getelementptr %Spec, ptr %spec, i64 0, i32 27
  %end_argument = load i64, ptr %end_cell
  %written_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 28
  %written_count = load i64, ptr %written_count_cell
  %written_cell = getelementptr %Spec, ptr %spec, i64 0, i32 29
  %written = load ptr, ptr %written_cell
  br label %next_written
next_written:
  %i = phi i64 [ 0, %entry ], [ %i1, %next_argument ]
  %all_done = icmp eq i64 %i, %written_count
  br i1 %all_done, label %yes, label %one
one:
  %place_cell = getelementptr i64, ptr %written, i64 %i
  %place = load i64, ptr %place_cell
  %storage_cell = getelementptr ptr, ptr %held, i64 %place
  %storage = load ptr, ptr %storage_cell
  %i1 = add i64 %i, 1
  br label %next_argument
next_argument:
  %j = phi i64 [ %first_argument, %one ], [ %j1, %compare ]
  %arguments_done = icmp eq i64 %j, %end_argument
  br i1 %arguments_done, label %next_written, label %compare
compare:
  %argument_cell = getelementptr ptr, ptr %held, i64 %j
  %argument = load ptr, ptr %argument_cell
  %j1 = add i64 %j, 1
  %same = icmp eq ptr %argument, %storage
  br i1 %same, label %no, label %next_argument
yes:
  ret i1 true
no:
  ret i1 false
}

; Whether the specialisation fits this call; fills the frame, and holds storages even when it does not.
define internal i1 @guards_pass(ptr %spec, ptr %args, i64 %nargs, ptr %frame, ptr %held) {
entry:
  %wanted_nargs = load i64, ptr %spec
  %same_nargs = icmp eq i64 %wanted_nargs, %nargs
  br i1 %same_nargs, label %check_epoch, label %fail
check_epoch:
  %seen_cell = getelementptr %Spec, ptr %spec, i64 0, i32 1
  %seen = load i64, ptr %seen_cell
  %now = load i64, ptr @epoch
  %same_epoch = icmp eq i64 %seen, %now
  br i1 %same_epoch, label %lookups, label %fail
lookups:
  %lookup_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 24
  %lookup_count = load i64, ptr %lookup_count_cell
  %lookup_cell = getelementptr %Spec, ptr %spec, i64 0, i32 25
  %lookup_rows = load ptr, ptr %lookup_cell
  br label %lookup
lookup:
  %l = phi i64 [ 0, %lookups ], [ %l1, %lookup_ok ]
  %lookups_done = icmp eq i64 %l, %lookup_count
  br i1 %lookups_done, label %arguments, label %look
look:
  %lookup_row = getelementptr %Lookup, ptr %lookup_rows, i64 %l
  %found_same = call i1 @lookup_passes(ptr %lookup_row, ptr %frame)
  br i1 %found_same, label %lookup_ok, label %fail
lookup_ok:
  %l1 = add i64 %l, 1
  br label %lookup
arguments:
  %program_cell = getelementptr %Spec, ptr %spec, i64 0, i32 11
  %program = load ptr, ptr %program_cell
  br label %argument
argument:
  %i = phi i64 [ 0, %arguments ], [ %i1, %argument_ok ]
  %pc = phi ptr [ %program, %arguments ], [ %after, %argument_ok ]
  %arguments_done = icmp eq i64 %i, %nargs
  br i1 %arguments_done, label %captures, label %walk
walk:
  %argument_cell = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %argument_cell
  %after = call ptr @walk(ptr %object, ptr %pc, ptr %frame)
  %refused = icmp eq ptr %after, null
  br i1 %refused, label %fail, label %argument_ok
argument_ok:
  %i1 = add i64 %i, 1
  br label %argument
captures:
  %captured_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 12
  %captured_count = load i64, ptr %captured_count_cell
  %captured_cell = getelementptr %Spec, ptr %spec, i64 0, i32 13
  %captured = load ptr, ptr %captured_cell
  br label %capture
capture:
  %j = phi i64 [ 0, %captures ], [ %j1, %capture_ok ]
  %captures_done = icmp eq i64 %j, %captured_count
  br i1 %captures_done, label %hosts, label %read
read:
  %row = getelementptr %Captured, ptr %captured, i64 %j
  %tensor = load ptr, ptr %row
  %layout_cell = getelementptr %Captured, ptr %row, i64 0, i32 1
  %layout = load ptr, ptr %layout_cell
  %itemsize_cell = getelementptr %Captured, ptr %row, i64 0, i32 2
  %itemsize = load i64, ptr %itemsize_cell
  %found = call { ptr, ptr } @tensor_read(ptr %tensor, ptr %layout, i64 %itemsize)
  %data = extractvalue { ptr, ptr } %found, 0
  %storage = extractvalue { ptr, ptr } %found, 1
  %unread = icmp eq ptr %storage, null
  br i1 %unread, label %fail, label %capture_ok
capture_ok:
  call void @hold(ptr %frame, ptr %storage)
  %buffer_cell = getelementptr %Captured, ptr %row, i64 0, i32 3
  %buffer = load i64, ptr %buffer_cell
  call void @set_buffer(ptr %frame, i64 %buffer, ptr %data)
  %j1 = add i64 %j, 1
  br label %capture
hosts:
  %host_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 14
  %host_count = load i64, ptr %host_count_cell
  %host_cell = getelementptr %Spec, ptr %spec, i64 0, i32 15
  %host_rows = load ptr, ptr %host_cell
  br label %host
host:
  %k = phi i64 [ 0, %hosts ], [ %k1, %host_ok ]
  %hosts_done = icmp eq i64 %k, %host_count
  br i1 %hosts_done, label %apart, label %read_host
read_host:
  %host_row = getelementptr %Host, ptr %host_rows, i64 %k
  %host_fine = call i1 @read_host(ptr %host_row, ptr %frame)
  br i1 %host_fine, label %host_ok, label %fail
host_ok:
  %k1 = add i64 %k, 1
  br label %host
apart:
  %separate = call i1 @arguments_apart(ptr %spec, ptr %held)
  ret i1 %separate
fail:
  ret i1 false
}

; The result of a call through one specialisation, null with an exception, or @miss.
define internal ptr @attempt(ptr %table, ptr %spec, ptr %args, i64 %nargs, ptr %scratch) {
  %frame = alloca %Frame
  %buffer_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 8
  %buffer_count = load i64, ptr %buffer_count_cell
  %cell_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 9
  %cell_count = load i64, ptr %cell_count_cell
  %held_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 10
  %held_count = load i64, ptr %held_count_cell
  %cells = getelementptr i64, ptr %scratch, i64 %buffer_count
  %held = getelementptr i64, ptr %cells, i64 %cell_count
  %fresh = getelementptr i64, ptr %held, i64 %held_count
  store ptr %scratch, ptr %frame
  %cells_cell = getelementptr %Frame, ptr %frame, i64 0, i32 1
  store ptr %cells, ptr %cells_cell
  %next_cell = getelementptr %Frame, ptr %frame, i64 0, i32 2
  store ptr %held, ptr %next_cell
  %pass = call i1 @guards_pass(ptr %spec, ptr %args, i64 %nargs, ptr %frame, ptr %held)
  br i1 %pass, label %run, label %end
run:
  %ran = call ptr @run(ptr %table, ptr %spec, ptr %frame, ptr %fresh)
  br label %end
end:
  %result = phi ptr [ @miss, %0 ], [ %ran, %run ]
  %held_end = load ptr, ptr %next_cell
  call void @release(ptr %held, ptr %held_end)
  ret ptr %result
}

define internal ptr @try_all(ptr %table, ptr %chain, ptr %args, i64 %nargs, ptr %scratch) {
entry:
  %count = load i64, ptr %chain
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %again ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %none, label %one
one:
  %cell = getelementptr %Chain, ptr %chain, i64 0, i32 3, i64 %i
  %spec = load ptr, ptr %cell
  %result = call ptr @attempt(ptr %table, ptr %spec, ptr %args, i64 %nargs, ptr %scratch)
  %missed = icmp eq ptr %result, @miss
  br i1 %missed, label %again, label %hit
again:
  %i1 = add i64 %i, 1
  br label %next
hit:
  ret ptr %result
none:
  ret ptr @miss
}

; METH_FASTCALL | METH_KEYWORDS; self is a CallTable.
define ptr @dispatch(ptr %self, ptr %args, i64 %nargs, ptr %names) {
entry:
  %table_slot = call ptr @slot_of(ptr %self, ptr @table_offset)
  %table_object = load ptr, ptr %table_slot
  %has_table = call i1 @is_int(ptr %table_object)
  br i1 %has_table, label %open, label %taken_down
taken_down:
  %exception = load ptr, ptr @exception_type
  call void @PyErr_SetString(ptr %exception, ptr @torn_down)
  ret ptr null
open:
  %table = call ptr @PyLong_AsVoidPtr(ptr %table_object)
  %chain = load ptr, ptr %table
  %no_names = icmp eq ptr %names, null
  br i1 %no_names, label %scratch, label %slow
scratch:
  ; Whatever Python code runs in between, these specialisations stay.
  %owner_cell = getelementptr %Chain, ptr %chain, i64 0, i32 2
  %owner = load ptr, ptr %owner_cell
  call void @Py_IncRef(ptr %owner)
  %words_cell = getelementptr %Chain, ptr %chain, i64 0, i32 1
  %words = load i64, ptr %words_cell
  %small = icmp ule i64 %words, 512
  br i1 %small, label %on_stack, label %on_heap
on_stack:
  %stack = alloca i64, i64 %words, align 16
  %result1 = call ptr @try_all(ptr %table, ptr %chain, ptr %args, i64 %nargs, ptr %stack)
  br label %tried
on_heap:
  %nbytes = shl i64 %words, 3
  %heap = call ptr @block_allocate(i64 %nbytes)
  %exhausted = icmp eq ptr %heap, null
  br i1 %exhausted, label %no_memory, label %with_heap
no_memory:
  call void @raise_exhausted(i64 %nbytes)
  br label %tried
with_heap:
  %result2 = call ptr @try_all(ptr %table, ptr %chain, ptr %args, i64 %nargs, ptr %heap)
  call void @block_free(ptr %heap)
  br label %tried
tried:
  %result = phi ptr [ %result1, %on_stack ], [ null, %no_memory ], [ %result2, %with_heap ]
  call void @Py_DecRef(ptr %owner)
  %missed = icmp eq ptr %result, @miss
  br i1 %missed, label %slow, label %end
end:
  ret ptr %result
slow:
  call void @count_call(i64 1)
  %slow_cell = getelementptr %Table, ptr %table, i64 0, i32 1
  %callable = load ptr, ptr %slow_cell
  %answer = call ptr @PyObject_Vectorcall(ptr %callable, ptr %args, i64 %nargs, ptr %names)
  ret ptr %answer
}

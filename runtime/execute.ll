; Runs one specialisation: makes its outputs, calls its entry, and builds its result.

; dispatch_native.py lays these out.
%Table = type {
  ptr,   ; 0 chain
  ptr,   ; 1 slow path, a callable
  ptr    ; 2 callable(name of the program, status) that raises
}
; The specialisations, first to try first; replaced as a whole by one store.
%Chain = type {
  i64,   ; 0 how many
  i64,   ; 1 words of scratch memory that the largest of them needs
  ptr,   ; 2 object that keeps them alive
  [0 x ptr]
}
%Spec = type {
  i64,   ; 0 positional arguments
  i64,   ; 1 epoch in which its Python-side guards were last seen to hold
  ptr,   ; 2 entry
  i64,   ; 3 1 = release the GIL around the entry
  i64,   ; 4 result: 0 None, 1 the only output, 2 tuple of outputs, 3 finish(tuple)
  ptr,   ; 5 finish
  i64,   ; 6 workspace bytes
  ptr,   ; 7 dims
  i64,   ; 8 buffers
  i64,   ; 9 scalar cells
  i64,   ; 10 tensors read, at most
  ptr,   ; 11 guard program
  i64,   ; 12 captured tensors
  ptr,   ; 13
  i64,   ; 14 host scalars
  ptr,   ; 15
  i64,   ; 16 aliases
  ptr,   ; 17
  i64,   ; 18 slot writes
  ptr,   ; 19
  i64,   ; 20 outputs
  ptr,   ; 21
  i64,   ; 22 calls so far
  ptr,   ; 23 name, a str
  i64,   ; 24 lookups
  ptr,   ; 25
  i64,   ; 26 where the tensors of the arguments begin among those that are held
  i64,   ; 27 and end
  i64,   ; 28 tensors that are written to, other than arguments
  ptr,   ; 29 their places among those that are held
  i64,   ; 30 slots to clear
  ptr    ; 31
}
%Captured = type { ptr, ptr, i64, i64 }            ; tensor, layout, itemsize, buffer
%Host = type { i64, ptr, ptr, i64, i64 }           ; as a lookup up to the key, buffer, cell
%Alias = type { i64, i64 }                         ; buffer of the output, buffer of the input
%Write = type { ptr, i64, ptr, i64, ptr, i64 }     ; object, slot offset, layout, nbytes, nbytes as int, buffer
%Clear = type { ptr, i64 }                         ; object, slot offset
%Output = type { ptr, i64, ptr, i64 }              ; layout, nbytes, nbytes as int, buffer

@entry_context = global ptr null                   ; ingot_context of the thread pool, null when serial

declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)

define internal void @release(ptr %first, ptr %end) {
entry:
  br label %next
next:
  %at = phi ptr [ %first, %entry ], [ %after, %one ]
  %done = icmp eq ptr %at, %end
  br i1 %done, label %finished, label %one
one:
  %object = load ptr, ptr %at
  call void @Py_DecRef(ptr %object)
  %after = getelementptr ptr, ptr %at, i64 1
  br label %next
finished:
  ret void
}

; Let go of the old values of written slots, so that their blocks serve this very call, and set the aliased buffers.
define internal void @prepare_writes(ptr %spec, ptr %frame) {
entry:
  %bufs = load ptr, ptr %frame
  %alias_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 16
  %alias_count = load i64, ptr %alias_count_cell
  %aliases_cell = getelementptr %Spec, ptr %spec, i64 0, i32 17
  %aliases = load ptr, ptr %aliases_cell
  br label %alias
alias:
  %i = phi i64 [ 0, %entry ], [ %i1, %copy ]
  %aliases_done = icmp eq i64 %i, %alias_count
  br i1 %aliases_done, label %writes, label %copy
copy:
  %to_cell = getelementptr %Alias, ptr %aliases, i64 %i
  %to = load i64, ptr %to_cell
  %from_cell = getelementptr %Alias, ptr %aliases, i64 %i, i32 1
  %from = load i64, ptr %from_cell
  %source = getelementptr ptr, ptr %bufs, i64 %from
  %data = load ptr, ptr %source
  call void @set_buffer(ptr %frame, i64 %to, ptr %data)
  %i1 = add i64 %i, 1
  br label %alias
writes:
  %write_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 18
  %write_count = load i64, ptr %write_count_cell
  %rows_cell = getelementptr %Spec, ptr %spec, i64 0, i32 19
  %rows = load ptr, ptr %rows_cell
  %none = load ptr, ptr @object_none
  br label %write
write:
  %j = phi i64 [ 0, %writes ], [ %j1, %empty ]
  %writes_done = icmp eq i64 %j, %write_count
  br i1 %writes_done, label %clears, label %empty
empty:
  %row = getelementptr %Write, ptr %rows, i64 %j
  call void @Py_IncRef(ptr %none)
  call void @replace_slot(ptr %row, ptr %none)
  %j1 = add i64 %j, 1
  br label %write
clears:
  %clear_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 30
  %clear_count = load i64, ptr %clear_count_cell
  %clear_rows_cell = getelementptr %Spec, ptr %spec, i64 0, i32 31
  %clear_rows = load ptr, ptr %clear_rows_cell
  br label %clear
clear:
  %k = phi i64 [ 0, %clears ], [ %k1, %empty_too ]
  %clears_done = icmp eq i64 %k, %clear_count
  br i1 %clears_done, label %end, label %empty_too
empty_too:
  %clear_row = getelementptr %Clear, ptr %clear_rows, i64 %k
  call void @Py_IncRef(ptr %none)
  call void @replace_slot(ptr %clear_row, ptr %none)
  %k1 = add i64 %k, 1
  br label %clear
end:
  ret void
}

; Put an owned reference into the slot that a row begins with: a write, or a slot to clear.
define internal void @replace_slot(ptr %row, ptr %value) alwaysinline {
  %object = load ptr, ptr %row
  %offset_cell = getelementptr %Write, ptr %row, i64 0, i32 1
  %offset = load i64, ptr %offset_cell
  %slot = getelementptr i8, ptr %object, i64 %offset
  %old = load ptr, ptr %slot
  store ptr %value, ptr %slot
  %empty = icmp eq ptr %old, null
  br i1 %empty, label %end, label %drop
drop:
  call void @Py_DecRef(ptr %old)
  br label %end
end:
  ret void
}

; Make one fresh tensor as output buffer; an output row is the tail of a write row.
define internal ptr @make_output(ptr %row, ptr %frame) alwaysinline {
  %layout = load ptr, ptr %row
  %nbytes_cell = getelementptr %Output, ptr %row, i64 0, i32 1
  %nbytes = load i64, ptr %nbytes_cell
  %object_cell = getelementptr %Output, ptr %row, i64 0, i32 2
  %nbytes_object = load ptr, ptr %object_cell
  %made = call { ptr, ptr } @tensor_new(ptr %layout, i64 %nbytes, ptr %nbytes_object)
  %tensor = extractvalue { ptr, ptr } %made, 1
  %failed = icmp eq ptr %tensor, null
  br i1 %failed, label %end, label %set
set:
  %data = extractvalue { ptr, ptr } %made, 0
  %buffer_cell = getelementptr %Output, ptr %row, i64 0, i32 3
  %buffer = load i64, ptr %buffer_cell
  call void @set_buffer(ptr %frame, i64 %buffer, ptr %data)
  br label %end
end:
  ret ptr %tensor
}

; Make the tensors of all writes and then of all outputs; false, with everything released, when memory runs out.
define internal i1 @make_fresh(ptr %spec, ptr %frame, ptr %fresh) {
entry:
  %write_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 18
  %write_count = load i64, ptr %write_count_cell
  %writes_cell = getelementptr %Spec, ptr %spec, i64 0, i32 19
  %writes = load ptr, ptr %writes_cell
  %output_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 20
  %output_count = load i64, ptr %output_count_cell
  %outputs_cell = getelementptr %Spec, ptr %spec, i64 0, i32 21
  %outputs = load ptr, ptr %outputs_cell
  %count = add i64 %write_count, %output_count
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %made ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %all, label %pick
pick:
  %is_write = icmp ult i64 %i, %write_count
  %write_row = getelementptr %Write, ptr %writes, i64 %i, i32 2
  %output_index = sub i64 %i, %write_count
  %output_row = getelementptr %Output, ptr %outputs, i64 %output_index
  %row = select i1 %is_write, ptr %write_row, ptr %output_row
  %tensor = call ptr @make_output(ptr %row, ptr %frame)
  %failed = icmp eq ptr %tensor, null
  br i1 %failed, label %undo, label %made
made:
  %cell = getelementptr ptr, ptr %fresh, i64 %i
  store ptr %tensor, ptr %cell
  %i1 = add i64 %i, 1
  br label %next
all:
  ret i1 true
undo:
  %end = getelementptr ptr, ptr %fresh, i64 %i
  call void @release(ptr %fresh, ptr %end)
  ret i1 false
}

; Call the entry with workspace, dims and context; its status, or -1 with an exception set.
define internal i32 @call_entry(ptr %spec, ptr %bufs) {
  %workspace_cell = getelementptr %Spec, ptr %spec, i64 0, i32 6
  %nbytes = load i64, ptr %workspace_cell
  %no_workspace = icmp eq i64 %nbytes, 0
  br i1 %no_workspace, label %run, label %allocate
allocate:
  %block = call ptr @block_allocate(i64 %nbytes)
  %exhausted = icmp eq ptr %block, null
  br i1 %exhausted, label %fail, label %run
fail:
  call void @raise_exhausted(i64 %nbytes)
  ret i32 -1
run:
  %workspace = phi ptr [ null, %0 ], [ %block, %allocate ]
  %entry_cell = getelementptr %Spec, ptr %spec, i64 0, i32 2
  %entry = load ptr, ptr %entry_cell
  %dims_cell = getelementptr %Spec, ptr %spec, i64 0, i32 7
  %dims = load ptr, ptr %dims_cell
  %context = load ptr, ptr @entry_context
  %flags_cell = getelementptr %Spec, ptr %spec, i64 0, i32 3
  %flags = load i64, ptr %flags_cell
  %release = icmp ne i64 %flags, 0
  br i1 %release, label %unlocked, label %locked
locked:
  %status1 = call i32 %entry(ptr %bufs, ptr %dims, ptr %workspace, ptr %context)
  br label %after
unlocked:
  %thread = call ptr @PyEval_SaveThread()
  %status2 = call i32 %entry(ptr %bufs, ptr %dims, ptr %workspace, ptr %context)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %after
after:
  %status = phi i32 [ %status1, %locked ], [ %status2, %unlocked ]
  call void @count_call(i64 0)
  %calls_cell = getelementptr %Spec, ptr %spec, i64 0, i32 22
  %calls = load i64, ptr %calls_cell
  %calls1 = add i64 %calls, 1
  store i64 %calls1, ptr %calls_cell
  br i1 %no_workspace, label %end, label %free
free:
  call void @block_free(ptr %workspace)
  br label %end
end:
  ret i32 %status
}

; Raise the error of a program that returned `status`.
define internal void @raise_status(ptr %table, ptr %spec, i32 %status) noinline {
  %arguments = alloca [2 x ptr]
  %wide = sext i32 %status to i64
  %status_object = call ptr @PyLong_FromSsize_t(i64 %wide)
  %failed = icmp eq ptr %status_object, null
  br i1 %failed, label %end, label %ask
ask:
  %name_cell = getelementptr %Spec, ptr %spec, i64 0, i32 23
  %name = load ptr, ptr %name_cell
  store ptr %name, ptr %arguments
  %second = getelementptr ptr, ptr %arguments, i64 1
  store ptr %status_object, ptr %second
  %handler_cell = getelementptr %Table, ptr %table, i64 0, i32 2
  %handler = load ptr, ptr %handler_cell
  %result = call ptr @PyObject_Vectorcall(ptr %handler, ptr %arguments, i64 2, ptr null)
  call void @Py_DecRef(ptr %status_object)
  %raised = icmp eq ptr %result, null
  br i1 %raised, label %end, label %drop
drop:
  call void @Py_DecRef(ptr %result)
  br label %end
end:
  ret void
}

; Hand fresh tensors to the slots they are written to.
define internal void @store_writes(ptr %spec, ptr %fresh) {
entry:
  %count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 18
  %count = load i64, ptr %count_cell
  %rows_cell = getelementptr %Spec, ptr %spec, i64 0, i32 19
  %rows = load ptr, ptr %rows_cell
  br label %next
next:
  %i = phi i64 [ 0, %entry ], [ %i1, %one ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %end, label %one
one:
  %row = getelementptr %Write, ptr %rows, i64 %i
  %cell = getelementptr ptr, ptr %fresh, i64 %i
  %tensor = load ptr, ptr %cell
  call void @replace_slot(ptr %row, ptr %tensor)
  %i1 = add i64 %i, 1
  br label %next
end:
  ret void
}

; The Python result from the fresh outputs, whose references it takes.
define internal ptr @build_result(ptr %spec, ptr %outputs) {
entry:
  %arguments = alloca ptr
  %kind_cell = getelementptr %Spec, ptr %spec, i64 0, i32 4
  %kind = load i64, ptr %kind_cell
  switch i64 %kind, label %tuple [
    i64 0, label %none
    i64 1, label %single
  ]
none:
  %object_none = load ptr, ptr @object_none
  call void @Py_IncRef(ptr %object_none)
  ret ptr %object_none
single:
  %only = load ptr, ptr %outputs
  ret ptr %only
tuple:
  %count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 20
  %count = load i64, ptr %count_cell
  %result = call ptr @PyTuple_New(i64 %count)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %undo, label %next
next:
  %i = phi i64 [ 0, %tuple ], [ %i1, %one ]
  %done = icmp eq i64 %i, %count
  br i1 %done, label %built, label %one
one:
  %cell = getelementptr ptr, ptr %outputs, i64 %i
  %tensor = load ptr, ptr %cell
  %ignored = call i32 @PyTuple_SetItem(ptr %result, i64 %i, ptr %tensor)
  %i1 = add i64 %i, 1
  br label %next
built:
  %plain = icmp eq i64 %kind, 2
  br i1 %plain, label %end, label %finish
finish:
  call void @count_call(i64 2)
  %finish_cell = getelementptr %Spec, ptr %spec, i64 0, i32 5
  %callable = load ptr, ptr %finish_cell
  store ptr %result, ptr %arguments
  %finished = call ptr @PyObject_Vectorcall(ptr %callable, ptr %arguments, i64 1, ptr null)
  call void @Py_DecRef(ptr %result)
  ret ptr %finished
end:
  ret ptr %result
undo:
  %after = getelementptr ptr, ptr %outputs, i64 %count
  call void @release(ptr %outputs, ptr %after)
  ret ptr null
}

; Run a specialisation whose guards passed.
define internal ptr @run(ptr %table, ptr %spec, ptr %frame, ptr %fresh) {
  call void @prepare_writes(ptr %spec, ptr %frame)
  %made = call i1 @make_fresh(ptr %spec, ptr %frame, ptr %fresh)
  br i1 %made, label %call, label %fail
call:
  %bufs = load ptr, ptr %frame
  %status = call i32 @call_entry(ptr %spec, ptr %bufs)
  %write_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 18
  %write_count = load i64, ptr %write_count_cell
  %outputs = getelementptr ptr, ptr %fresh, i64 %write_count
  %ok = icmp eq i32 %status, 0
  br i1 %ok, label %store, label %failed
store:
  call void @store_writes(ptr %spec, ptr %fresh)
  %result = call ptr @build_result(ptr %spec, ptr %outputs)
  ret ptr %result
failed:
  %output_count_cell = getelementptr %Spec, ptr %spec, i64 0, i32 20
  %output_count = load i64, ptr %output_count_cell
  %end = getelementptr ptr, ptr %outputs, i64 %output_count
  %error = call ptr @PyErr_Occurred()
  %reported = icmp ne ptr %error, null
  br i1 %reported, label %drop, label %raise
raise:
  call void @raise_status(ptr %table, ptr %spec, i32 %status)
  br label %drop
drop:
  call void @release(ptr %fresh, ptr %end)
  br label %fail
fail:
  ret ptr null
}

; The entry of the start-up self-test: output = tensor + scalar, one double each, and a second output of half of it.
define i32 @self_test_entry(ptr %bufs, ptr %dims, ptr %workspace, ptr %context) {
  %left_cell = load ptr, ptr %bufs
  %left = load double, ptr %left_cell
  %right_place = getelementptr ptr, ptr %bufs, i64 1
  %right_cell = load ptr, ptr %right_place
  %right = load double, ptr %right_cell
  %sum = fadd double %left, %right
  %sum_place = getelementptr ptr, ptr %bufs, i64 2
  %sum_cell = load ptr, ptr %sum_place
  store double %sum, ptr %sum_cell
  %half = fmul double %sum, 5.0e-1
  %half_place = getelementptr ptr, ptr %bufs, i64 3
  %half_cell = load ptr, ptr %half_place
  store double %half, ptr %half_cell
  ret i32 0
}

; The recycling allocator (pool.py states the rules). All calls hold the GIL, so nothing here locks.
;
; A block is a 64-byte header followed by its payload.
%Header = type { ptr, i64, i64, ptr }            ; next free, size class, payload bytes, start of the system's memory

@pool_free = internal global [240 x ptr] zeroinitializer
; system_allocations, allocated bytes, cached bytes, limit of cached bytes
@pool_counts = global [4 x i64] zeroinitializer
; madvise's number for huge pages, 0 where there is none
@pool_huge_advice = global i64 0

declare i32 @posix_memalign(ptr, i64, i64)
declare void @free(ptr)
declare i32 @madvise(ptr, i64, i32)
declare i64 @llvm.ctlz.i64(i64, i1)
declare i64 @llvm.umax.i64(i64, i64)

define internal void @count(i64 %which, i64 %amount) alwaysinline {
  %cell = getelementptr [4 x i64], ptr @pool_counts, i64 0, i64 %which
  %old = load i64, ptr %cell
  %new = add i64 %old, %amount
  store i64 %new, ptr %cell
  ret void
}

; {class, payload bytes}: pool.size_class
define internal { i64, i64 } @size_class(i64 %nbytes) alwaysinline {
  %rounded = add i64 %nbytes, 63
  %units0 = lshr i64 %rounded, 6
  %units = call i64 @llvm.umax.i64(i64 %units0, i64 1)
  %small = icmp ule i64 %units, 4
  br i1 %small, label %one, label %octaves
one:
  %index1 = sub i64 %units, 1
  %bytes1 = shl i64 %units, 6
  br label %end
octaves:
  %below = sub i64 %units, 1
  %zeros = call i64 @llvm.ctlz.i64(i64 %below, i1 true)
  %octave = sub i64 63, %zeros
  %shift = sub i64 %octave, 2
  %shifted = lshr i64 %below, %shift
  %steps = add i64 %shifted, 1                  ; ceil(units / step), 5 to 8
  %base = sub i64 %octave, 1
  %base4 = shl i64 %base, 2
  %within = sub i64 %steps, 5
  %index2 = add i64 %base4, %within
  %size_units = shl i64 %steps, %shift
  %bytes2 = shl i64 %size_units, 6
  br label %end
end:
  %index = phi i64 [ %index1, %one ], [ %index2, %octaves ]
  %bytes = phi i64 [ %bytes1, %one ], [ %bytes2, %octaves ]
  %pair0 = insertvalue { i64, i64 } poison, i64 %index, 0
  %pair = insertvalue { i64, i64 } %pair0, i64 %bytes, 1
  ret { i64, i64 } %pair
}

; Payload of at least nbytes, or null when the system has none.
define ptr @block_allocate(i64 %nbytes) {
  %sane = icmp ult i64 %nbytes, 70368744177664  ; 2^46, above any address space in use
  br i1 %sane, label %classify, label %fail
classify:
  %class = call { i64, i64 } @size_class(i64 %nbytes)
  %index = extractvalue { i64, i64 } %class, 0
  %bytes = extractvalue { i64, i64 } %class, 1
  %head = getelementptr [240 x ptr], ptr @pool_free, i64 0, i64 %index
  %block = load ptr, ptr %head
  %none = icmp eq ptr %block, null
  br i1 %none, label %system, label %reuse
reuse:
  %next = load ptr, ptr %block
  store ptr %next, ptr %head
  %freed = sub i64 0, %bytes
  call void @count(i64 2, i64 %freed)
  call void @count(i64 1, i64 %bytes)
  %payload = getelementptr i8, ptr %block, i64 64
  ret ptr %payload
system:
  %fresh = call ptr @block_from_system(i64 %index, i64 %bytes)
  ret ptr %fresh
fail:
  ret ptr null
}

define internal ptr @block_from_system(i64 %index, i64 %bytes) noinline {
  %cell = alloca ptr
  %total = add i64 %bytes, 64
  %huge = icmp uge i64 %bytes, 4194304
  %alignment = select i1 %huge, i64 2097152, i64 64
  %status1 = call i32 @posix_memalign(ptr %cell, i64 %alignment, i64 %total)
  %failed1 = icmp ne i32 %status1, 0
  br i1 %failed1, label %retry, label %made
retry:
  %returned = call i64 @pool_empty()
  %status2 = call i32 @posix_memalign(ptr %cell, i64 %alignment, i64 %total)
  %failed2 = icmp ne i32 %status2, 0
  br i1 %failed2, label %fail, label %made
fail:
  ret ptr null
made:
  %block = load ptr, ptr %cell
  %advice = load i64, ptr @pool_huge_advice
  %advised = icmp ne i64 %advice, 0
  %ask = and i1 %huge, %advised
  br i1 %ask, label %advise, label %fill
advise:
  %advice32 = trunc i64 %advice to i32
  %ignored = call i32 @madvise(ptr %block, i64 %total, i32 %advice32)
  br label %fill
fill:
  %index_cell = getelementptr %Header, ptr %block, i64 0, i32 1
  store i64 %index, ptr %index_cell
  %bytes_cell = getelementptr %Header, ptr %block, i64 0, i32 2
  store i64 %bytes, ptr %bytes_cell
  %start_cell = getelementptr %Header, ptr %block, i64 0, i32 3
  store ptr %block, ptr %start_cell
  call void @count(i64 0, i64 1)
  call void @count(i64 1, i64 %bytes)
  %payload = getelementptr i8, ptr %block, i64 64
  ret ptr %payload
}

define void @block_free(ptr %payload) {
  %block = getelementptr i8, ptr %payload, i64 -64
  %bytes_cell = getelementptr %Header, ptr %block, i64 0, i32 2
  %bytes = load i64, ptr %bytes_cell
  %less = sub i64 0, %bytes
  call void @count(i64 1, i64 %less)
  %cached = load i64, ptr getelementptr ([4 x i64], ptr @pool_counts, i64 0, i64 2)
  %limit = load i64, ptr getelementptr ([4 x i64], ptr @pool_counts, i64 0, i64 3)
  %after = add i64 %cached, %bytes
  %full = icmp ugt i64 %after, %limit
  br i1 %full, label %drop, label %keep
drop:
  call void @free(ptr %block)
  ret void
keep:
  call void @count(i64 2, i64 %bytes)
  %index_cell = getelementptr %Header, ptr %block, i64 0, i32 1
  %index = load i64, ptr %index_cell
  %head = getelementptr [240 x ptr], ptr @pool_free, i64 0, i64 %index
  %next = load ptr, ptr %head
  store ptr %next, ptr %block
  store ptr %block, ptr %head
  ret void
}

; Returns every cached block to the system; the bytes returned.
define i64 @pool_empty() {
entry:
  %before = load i64, ptr getelementptr ([4 x i64], ptr @pool_counts, i64 0, i64 2)
  br label %class
class:
  %index = phi i64 [ 0, %entry ], [ %index1, %done ]
  %finished = icmp eq i64 %index, 240
  br i1 %finished, label %end, label %start
start:
  %head = getelementptr [240 x ptr], ptr @pool_free, i64 0, i64 %index
  br label %next
next:
  %block = load ptr, ptr %head
  %none = icmp eq ptr %block, null
  br i1 %none, label %done, label %release
release:
  %following = load ptr, ptr %block
  store ptr %following, ptr %head
  call void @free(ptr %block)
  br label %next
done:
  %index1 = add i64 %index, 1
  br label %class
end:
  store i64 0, ptr getelementptr ([4 x i64], ptr @pool_counts, i64 0, i64 2)
  ret i64 %before
}

; Parking on a futex (Linux). The wait returns at once when the job number has moved on.

@futex_syscall = global i64 0                           ; its number on this architecture

declare i64 @syscall(i64, ...)

define internal void @park(i32 %last) {
  %before = atomicrmw add ptr @job_sleepers, i32 1 seq_cst, align 4
  %number = load i64, ptr @futex_syscall
  %status = call i64 (i64, ...) @syscall(i64 %number, ptr @job_number, i32 128, i32 %last, ptr null, ptr null, i32 0)
  %after = atomicrmw sub ptr @job_sleepers, i32 1 seq_cst, align 4
  ret void
}

define internal void @wake(i32 %count) {
  %number = load i64, ptr @futex_syscall
  %status = call i64 (i64, ...) @syscall(i64 %number, ptr @job_number, i32 129, i32 %count, ptr null, ptr null, i32 0)
  ret void
}

define internal void @park_reset() {
  ret void
}

; Parking on a POSIX condition variable, for systems without futexes.

@futex_syscall = global i64 0                           ; unused here; start-up writes it on every system
@park_mutex = internal global [32 x i64] zeroinitializer, align 64
@park_condition = internal global [32 x i64] zeroinitializer, align 64

declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)

define internal void @park(i32 %last) {
entry:
  %locked = call i32 @pthread_mutex_lock(ptr @park_mutex)
  %before = atomicrmw add ptr @job_sleepers, i32 1 seq_cst, align 4
  br label %look
look:
  %number = load atomic i32, ptr @job_number seq_cst, align 4
  %same = icmp eq i32 %number, %last
  br i1 %same, label %wait, label %leave
wait:
  %waited = call i32 @pthread_cond_wait(ptr @park_condition, ptr @park_mutex)
  br label %look
leave:
  %after = atomicrmw sub ptr @job_sleepers, i32 1 seq_cst, align 4
  %unlocked = call i32 @pthread_mutex_unlock(ptr @park_mutex)
  ret void
}

define internal void @wake(i32 %count) {
  %locked = call i32 @pthread_mutex_lock(ptr @park_mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr @park_condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @park_mutex)
  ret void
}

define internal void @park_reset() {
  %mutex = call i32 @pthread_mutex_init(ptr @park_mutex, ptr null)
  %condition = call i32 @pthread_cond_init(ptr @park_condition, ptr null)
  ret void
}

; The thread pool: persistent workers that spin briefly and then park, and parallel-for with tickets.
;
; One job runs at a time. Its chunks are claimed by compare-and-swap on a ticket, job number << 32 | next chunk, so that
; a worker that comes late can never take a chunk of another job. Before a job's fields change the ticket is closed
; (chunk number 2^32 - 1), and the fields are released and acquired, so that whoever sees a new one sees the ticket
; closed: a claim that succeeds therefore used the fields of the job it names.
; The caller claims chunks too, so a parked or descheduled worker costs speed and nothing else.

@job_number = global i32 0, align 128                   ; also the word that workers park on
@job_ticket = internal global i64 4294967295, align 128
@job_done = internal global i64 0, align 128            ; chunks finished
@job_sleepers = global i32 0, align 128                 ; parked workers
@job_busy = internal global i32 0, align 128            ; 1 while a job runs
@job_body = internal global ptr null, align 128
@job_argument = internal global ptr null
@job_n = internal global i64 0
@job_grain = internal global i64 0
@job_chunks = internal global i64 0
@job_threads = internal global i64 0
@workers_spawned = global i64 0
; Pauses before a worker parks: 2000 are about 50 us on the machine measured, more than the gap between two kernels.
@worker_spins = global i64 2000
@all_signals = internal constant [32 x i64] [
  i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1,
  i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1,
  i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1, i64 -1 ]
; SIG_SETMASK of this system
@signal_set_mask = global i32 0

declare i32 @sched_yield()
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)

; Run chunks of job `number` until none is left.
define internal void @work(i64 %thread, i32 %number) {
entry:
  %first = load atomic i64, ptr @job_ticket acquire, align 8
  %first_is_ours = call i1 @is_ticket_of(i64 %first, i32 %number)
  br i1 %first_is_ours, label %fields, label %end
fields:
  %body = load atomic ptr, ptr @job_body acquire, align 8
  %argument = load atomic ptr, ptr @job_argument acquire, align 8
  %n = load atomic i64, ptr @job_n acquire, align 8
  %grain = load atomic i64, ptr @job_grain acquire, align 8
  %chunks = load atomic i64, ptr @job_chunks acquire, align 8
  %threads = load atomic i64, ptr @job_threads acquire, align 8
  %invited = icmp slt i64 %thread, %threads
  br i1 %invited, label %claim, label %end
claim:
  %ticket = phi i64 [ %first, %fields ], [ %found, %swap ], [ %reloaded, %run ]
  %ours = call i1 @is_ticket_of(i64 %ticket, i32 %number)
  br i1 %ours, label %check, label %end
check:
  %chunk = and i64 %ticket, 4294967295
  %left = icmp ult i64 %chunk, %chunks
  br i1 %left, label %swap, label %end
swap:
  %next = add i64 %ticket, 1
  %swapped = cmpxchg ptr @job_ticket, i64 %ticket, i64 %next acq_rel acquire, align 8
  %found = extractvalue { i64, i1 } %swapped, 0
  %won = extractvalue { i64, i1 } %swapped, 1
  br i1 %won, label %run, label %claim
run:
  call void @run_chunk(ptr %body, ptr %argument, i64 %chunk, i64 %grain, i64 %n, i64 %thread)
  %before = atomicrmw add ptr @job_done, i64 1 release, align 8
  %reloaded = load atomic i64, ptr @job_ticket acquire, align 8
  br label %claim
end:
  ret void
}

define internal i1 @is_ticket_of(i64 %ticket, i32 %number) alwaysinline {
  %high = lshr i64 %ticket, 32
  %job = trunc i64 %high to i32
  %same = icmp eq i32 %job, %number
  ret i1 %same
}

define internal void @run_chunk(ptr %body, ptr %argument, i64 %chunk, i64 %grain, i64 %n, i64 %thread) alwaysinline {
  %low = mul i64 %chunk, %grain
  %left = sub i64 %n, %low
  %last = icmp slt i64 %left, %grain
  %size = select i1 %last, i64 %left, i64 %grain
  %high = add i64 %low, %size
  call void %body(ptr %argument, i64 %low, i64 %high, i64 %thread)
  ret void
}

; A worker's life; its argument is its thread number, from 1.
define internal ptr @worker(ptr %identity) {
entry:
  %thread = ptrtoint ptr %identity to i64
  %start = load atomic i32, ptr @job_number acquire, align 4
  br label %wait
wait:
  %last = phi i32 [ %start, %entry ], [ %number, %job ]
  %spins = load i64, ptr @worker_spins
  br label %look
look:
  %i = phi i64 [ 0, %wait ], [ %i1, %spin ]
  %seen = load atomic i32, ptr @job_number acquire, align 4
  %new = icmp ne i32 %seen, %last
  br i1 %new, label %job, label %idle
idle:
  %tired = icmp uge i64 %i, %spins
  br i1 %tired, label %sleep, label %spin
spin:
  call void @cpu_relax()
  %i1 = add i64 %i, 1
  br label %look
sleep:
  call void @park(i32 %last)
  %woken = load atomic i32, ptr @job_number acquire, align 4
  %changed = icmp ne i32 %woken, %last
  br i1 %changed, label %job, label %sleep
job:
  %number = phi i32 [ %seen, %look ], [ %woken, %sleep ]
  call void @work(i64 %thread, i32 %number)
  br label %wait
}

; Start workers up to `wanted`. They block all signals, so that Python's main thread gets them.
define internal void @spawn(i64 %wanted) noinline {
entry:
  %thread_cell = alloca ptr
  %old_mask = alloca [32 x i64]
  %how = load i32, ptr @signal_set_mask
  %masked = call i32 @pthread_sigmask(i32 %how, ptr @all_signals, ptr %old_mask)
  br label %next
next:
  %spawned = load i64, ptr @workers_spawned
  %enough = icmp sge i64 %spawned, %wanted
  br i1 %enough, label %end, label %one
one:
  %number = add i64 %spawned, 1
  %identity = inttoptr i64 %number to ptr
  %status = call i32 @pthread_create(ptr %thread_cell, ptr null, ptr @worker, ptr %identity)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %end, label %started
started:
  store i64 %number, ptr @workers_spawned
  %thread = load ptr, ptr %thread_cell
  %detached = call i32 @pthread_detach(ptr %thread)
  br label %next
end:
  %unmasked = call i32 @pthread_sigmask(i32 %how, ptr %old_mask, ptr null)
  ret void
}

define internal void @run_serially(ptr %body, ptr %argument, i64 %n, i64 %grain, i64 %chunks) {
entry:
  br label %next
next:
  %chunk = phi i64 [ 0, %entry ], [ %chunk1, %one ]
  %done = icmp uge i64 %chunk, %chunks
  br i1 %done, label %end, label %one
one:
  call void @run_chunk(ptr %body, ptr %argument, i64 %chunk, i64 %grain, i64 %n, i64 0)
  %chunk1 = add i64 %chunk, 1
  br label %next
end:
  ret void
}

; ingot_context.parallel_for. Nested calls and calls while another thread's job runs are serial.
define void @parallel_for(ptr %context, ptr %body, ptr %argument, i64 %n, i64 %grain) {
entry:
  %empty = icmp sle i64 %n, 0
  br i1 %empty, label %end, label %split
split:
  %has_grain = icmp sgt i64 %grain, 0
  %size = select i1 %has_grain, i64 %grain, i64 %n
  %n1 = sub i64 %n, 1
  %full = udiv i64 %n1, %size
  %chunks = add i64 %full, 1
  %threads_cell = getelementptr i64, ptr %context, i64 1
  %threads = load i64, ptr %threads_cell
  %one_thread = icmp sle i64 %threads, 1
  %one_chunk = icmp eq i64 %chunks, 1
  %too_many = icmp uge i64 %chunks, 4294967295
  %serial0 = or i1 %one_thread, %one_chunk
  %serial = or i1 %serial0, %too_many
  br i1 %serial, label %alone, label %enter
enter:
  %taken = cmpxchg ptr @job_busy, i32 0, i32 1 acquire monotonic, align 4
  %free = extractvalue { i32, i1 } %taken, 1
  br i1 %free, label %hire, label %alone
alone:
  call void @run_serially(ptr %body, ptr %argument, i64 %n, i64 %size, i64 %chunks)
  br label %end
hire:
  %wanted = sub i64 %threads, 1
  %spawned = load i64, ptr @workers_spawned
  %enough = icmp sge i64 %spawned, %wanted
  br i1 %enough, label %publish, label %spawn
spawn:
  call void @spawn(i64 %wanted)
  br label %publish
publish:
  %closed = atomicrmw or ptr @job_ticket, i64 4294967295 seq_cst, align 8
  store atomic ptr %body, ptr @job_body release, align 8
  store atomic ptr %argument, ptr @job_argument release, align 8
  store atomic i64 %n, ptr @job_n release, align 8
  store atomic i64 %size, ptr @job_grain release, align 8
  store atomic i64 %chunks, ptr @job_chunks release, align 8
  store atomic i64 %threads, ptr @job_threads release, align 8
  store atomic i64 0, ptr @job_done monotonic, align 8
  %previous = load atomic i32, ptr @job_number monotonic, align 4
  %number = add i32 %previous, 1
  %wide = zext i32 %number to i64
  %ticket = shl i64 %wide, 32
  store atomic i64 %ticket, ptr @job_ticket release, align 8
  store atomic i32 %number, ptr @job_number seq_cst, align 4
  %sleepers = load atomic i32, ptr @job_sleepers seq_cst, align 4
  %asleep = icmp sgt i32 %sleepers, 0
  br i1 %asleep, label %wake, label %help
wake:
  ; One sleeper per other chunk; all of them when some have no part in this job and might be woken in its stead.
  %others = sub i64 %chunks, 1
  %few = icmp slt i64 %others, 1000000
  %helpers64 = select i1 %few, i64 %others, i64 1000000
  %helpers = trunc i64 %helpers64 to i32
  %now_spawned = load i64, ptr @workers_spawned
  %some_idle = icmp sgt i64 %now_spawned, %wanted
  %number_to_wake = select i1 %some_idle, i32 1000000, i32 %helpers
  call void @wake(i32 %number_to_wake)
  br label %help
help:
  call void @work(i64 0, i32 %number)
  br label %join
join:
  %spins = phi i64 [ 0, %help ], [ %spins1, %relax ], [ %spins1, %give_way ]
  %done = load atomic i64, ptr @job_done acquire, align 8
  %finished = icmp eq i64 %done, %chunks
  br i1 %finished, label %leave, label %pause
pause:
  %spins1 = add i64 %spins, 1
  %low = and i64 %spins1, 1023
  %long = icmp eq i64 %low, 0
  br i1 %long, label %give_way, label %relax
relax:
  call void @cpu_relax()
  br label %join
give_way:
  ; A worker that holds a chunk may be waiting for this very processor.
  %yielded = call i32 @sched_yield()
  br label %join
leave:
  store atomic i32 0, ptr @job_busy release, align 4
  br label %end
end:
  ret void
}

; For a forked child, which has no workers and may have inherited a job of its parent's other threads.
define void @threads_reset() {
  %closed = atomicrmw or ptr @job_ticket, i64 4294967295 seq_cst, align 8
  store atomic i32 0, ptr @job_busy seq_cst, align 4
  store atomic i32 0, ptr @job_sleepers seq_cst, align 4
  store i64 0, ptr @workers_spawned
  call void @park_reset()
  ret void
}

; ingot_context.parallel_for_if_awake: for work too short to wait for a parked worker. It is shared while all workers spin,
; and every 64th time all the same: so a stream of short jobs wakes them, and then keeps them awake.
@short_jobs_alone = internal global i64 0

define void @parallel_for_if_awake(ptr %context, ptr %body, ptr %argument, i64 %n, i64 %grain) {
entry:
  %threads_cell = getelementptr i64, ptr %context, i64 1
  %threads = load i64, ptr %threads_cell
  %wanted = sub i64 %threads, 1
  %spawned = load i64, ptr @workers_spawned
  %started = icmp sge i64 %spawned, %wanted
  %sleepers = load atomic i32, ptr @job_sleepers monotonic, align 4
  %none_parked = icmp eq i32 %sleepers, 0
  %awake = and i1 %started, %none_parked
  br i1 %awake, label %share, label %count
count:
  %before = load i64, ptr @short_jobs_alone
  %after = add i64 %before, 1
  store i64 %after, ptr @short_jobs_alone
  %low = and i64 %after, 63
  %due = icmp eq i64 %low, 0
  br i1 %due, label %share, label %alone
share:
  call void @parallel_for(ptr %context, ptr %body, ptr %argument, i64 %n, i64 %grain)
  ret void
alone:
  call void %body(ptr %argument, i64 0, i64 %n, i64 0)
  ret void
}

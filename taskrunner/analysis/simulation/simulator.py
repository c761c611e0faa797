"""Simulated pool: a workload on a number of workers, with the policy of the real pool but without its threads.

Policy of a worker:

- It runs one of the jobs that its last job made ready at once.
- Otherwise it takes the newest job of its deque.
- With an empty deque, it steals the older half of another deque.

The global queue, the pools and the command slots are as in a run. Time is an event heap, as in any discrete-event
simulation. Simultaneous events happen in the order of their insertion, so that a workload has exactly one schedule.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from taskrunner.analysis.attempts import COMMAND, WORKER
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.execution.resources import ResourcePools
from taskrunner.plan.task import COMMAND_SLOTS

MAX_STOLEN = 16  # as in pool.worker
NO_JOB = -1

# In an event, instead of a worker's number:
_OFFLOADED = -1  # a command or an async node ended
_DELAY_ENDED = -2  # the next attempt is due

type Push = Callable[[int], None]


class Replay(msgspec.Struct, frozen=True, gc=False):
    """A schedule; each sequence is indexed by job.

    ``started``: the second at which the first attempt started.
    ``ended``: the second at which the last attempt ended.
    ``released_by``: the job whose end let this one start, or NO_JOB for a job that started at once. The other job was
    a dependency, held the slot, or ran before on the same worker.
    """

    makespan_s: float
    started: Sequence[float]
    ended: Sequence[float]
    released_by: Sequence[int]

    def blocking_chain(self) -> list[int]:
        """Return the jobs that determine the makespan: each one released the next, and the last one ended last."""
        chain: list[int] = []
        job = max(range(len(self.ended)), key=self.ended.__getitem__, default=NO_JOB)
        while job != NO_JOB:
            chain.append(job)
            job = self.released_by[job]
        return chain[::-1]


def replay(workload: Workload, workers: int) -> Replay:
    """Return the schedule of a workload on a number of workers, from the start of the first job."""
    simulator = Simulator(workload, workers)
    simulator.run()
    return Replay(max(simulator.ended, default=0.0), simulator.started, simulator.ended, simulator.released_by)


class Simulator:
    """The state of a simulated run. ``now`` is the time of the current event."""

    def __init__(self, workload: Workload, workers: int) -> None:
        self.jobs = workload.jobs
        self.workers = workers
        self.overhead = workload.overhead
        self.priorities = workload.priorities()
        self.routed = [bool(p or j.limits or j.kind != WORKER) for p, j in zip(self.priorities, self.jobs, strict=True)]
        self.pending = [job.pending for job in self.jobs]
        self.attempt: dict[int, int] = {}  # only of retried jobs
        self.ready = [0.0] * len(self.jobs)
        self.started = [-1.0] * len(self.jobs)
        self.ended = [0.0] * len(self.jobs)
        self.released_by = [NO_JOB] * len(self.jobs)
        self.now = 0.0
        self._events: list[tuple[float, int, int, int]] = []  # time, sequence number, worker, job
        self._number = 0
        self._limits = ResourcePools({**workload.pools, COMMAND_SLOTS: workers})
        self._deques: list[deque[int]] = [deque() for _ in range(workers)]
        self._queued = 0  # on all deques
        self._global_queue: list[tuple[int, int, int]] = []
        self._idle: list[int] = []  # a stack: the last worker to fall asleep wakes first
        self._previous = [NO_JOB] * workers
        self._pushes = [self._push_to(own) for own in self._deques]

    def run(self) -> None:
        """Run all jobs."""
        self._enqueue_roots()
        for worker in range(self.workers):
            self._run_next(worker, NO_JOB, 0.0)
        while self._events:
            self.now, _, worker, job = heapq.heappop(self._events)
            if worker >= 0:
                self._previous[worker] = job
                self._run_next(worker, self._end(job, self._pushes[worker]), self.overhead.node_s)
            elif worker == _DELAY_ENDED:
                self._route(job, self._enqueue)
            else:
                self._end_offloaded(job)
            self._wake()

    # -- end of a job ------------------------------------------------------------------------------

    def _end(self, job: int, push: Push) -> int:
        """End an attempt, enqueue all but one of the jobs that it made ready, and return that one."""
        spec = self.jobs[job]
        self.ended[job] = self.now
        if len(spec.seconds) > 1 and self._retry(job, spec, push):
            return NO_JOB
        next_job = NO_JOB
        pending, routed = self.pending, self.routed
        for successor in self._ordered_successors(spec):
            pending[successor] -= 1
            if pending[successor]:
                continue
            self._release(successor, job)
            if routed[successor]:
                self._route(successor, push)
            elif next_job == NO_JOB and not spec.expands:
                next_job = successor
            else:
                push(successor)
        self._release_slots(job, push)
        return next_job

    def _end_offloaded(self, job: int) -> None:
        next_job = self._end(job, self._enqueue)
        if next_job != NO_JOB:
            self._enqueue(next_job)

    def _ordered_successors(self, spec: Job) -> Sequence[int]:
        """Return the successors of a job; children are reversed on the deque, so that they start in their order."""
        return spec.successors[::-1] if spec.expands and not self.routed[spec.successors[0]] else spec.successors

    def _retry(self, job: int, spec: Job, push: Push) -> bool:
        """Schedule the next attempt, if there is one; the job holds no slot during the delay."""
        number = self.attempt.get(job, 0)
        if number + 1 >= len(spec.seconds):
            return False
        self.attempt[job] = number + 1
        self._release_slots(job, push)
        self._schedule(self.now + spec.retry_delays[number], _DELAY_ENDED, job)
        return True

    def _release_slots(self, job: int, push: Push) -> None:
        if names := self._pools_of(job):
            for admitted in self._limits.release(names):
                self._release(admitted, job)
                self._enqueue_ready(admitted, push)

    def _release(self, job: int, by: int) -> None:
        """Record which job released another one; ``_start`` overrides this if a busy worker delays the start."""
        self.ready[job] = self.now
        if self.started[job] < 0:
            self.released_by[job] = by

    # -- routing -----------------------------------------------------------------------------------

    def _enqueue_roots(self) -> None:
        """Deal the roots out to the workers in turn: by priority, then in the order of the graph."""
        dealt: list[int] = []
        roots = [index for index, pending in enumerate(self.pending) if not pending]
        for job in sorted(roots, key=lambda job: (-self.priorities[job], self.jobs[job].vertex)):
            if self.routed[job]:
                self._route(job, dealt.append)
            else:
                dealt.append(job)
        for worker, push in enumerate(self._pushes):
            for job in dealt[worker :: self.workers][::-1]:
                push(job)

    def _route(self, job: int, push: Push) -> None:
        names = self._pools_of(job)
        if not names or self._limits.acquire(job, names, self.priorities[job]):
            self._enqueue_ready(job, push)

    def _pools_of(self, job: int) -> tuple[str, ...]:
        spec = self.jobs[job]
        return (*spec.limits, COMMAND_SLOTS) if spec.kind == COMMAND else spec.limits

    def _enqueue_ready(self, job: int, push: Push) -> None:
        if self.jobs[job].kind != WORKER:
            self._start(job, _OFFLOADED, self.overhead.wake_s)
        elif self.priorities[job]:
            self._enqueue(job)
        else:
            push(job)

    def _enqueue(self, job: int) -> None:
        self._number += 1
        heapq.heappush(self._global_queue, (-self.priorities[job], self._number, job))

    def _push_to(self, own: deque[int]) -> Push:
        def push(job: int) -> None:
            self._queued += 1
            own.append(job)

        return push

    # -- workers -----------------------------------------------------------------------------------

    def _run_next(self, worker: int, next_job: int, gap: float) -> None:
        """Start the next job of a worker after a gap, or let the worker fall asleep."""
        if next_job != NO_JOB and self._is_urgent():
            self._pushes[worker](next_job)
            next_job = NO_JOB
        job = self._take(worker) if next_job == NO_JOB else next_job
        if job == NO_JOB:
            self._idle.append(worker)
        else:
            self._start(job, worker, gap)

    def _wake(self) -> None:
        """Wake idle workers, one after the other, while jobs are queued."""
        while self._idle and (self._queued or self._global_queue):
            worker = self._idle.pop()
            self._start(self._take(worker), worker, self.overhead.wake_s)

    def _take(self, worker: int) -> int:
        own = self._deques[worker]
        if not self._is_urgent():
            if own:
                self._queued -= 1
                return own.pop()
            if self._queued:
                return self._steal(worker)
        return heapq.heappop(self._global_queue)[2] if self._global_queue else NO_JOB

    def _is_urgent(self) -> bool:
        return bool(self._global_queue) and self._global_queue[0][0] <= 0

    def _steal(self, thief: int) -> int:
        """Take the older half of the first deque that is not empty; return its oldest job."""
        victims = range(thief + 1, thief + self.workers)
        stolen_from = next(jobs for i in victims if (jobs := self._deques[i % self.workers]))
        half = min(len(stolen_from) // 2, MAX_STOLEN)
        job = stolen_from.popleft()
        self._queued -= 1
        self._deques[thief].extend([stolen_from.popleft() for _ in range(half - 1)])
        return job

    def _start(self, job: int, worker: int, gap: float) -> None:
        """Start an attempt after a gap."""
        spec, start = self.jobs[job], self.now + gap
        if self.started[job] < 0:
            self.started[job] = start
            if spec.kind == WORKER and self.ready[job] < self.now:  # it waited for the worker
                self.released_by[job] = self._previous[worker]
        seconds = spec.seconds[self.attempt.get(job, 0)] if spec.seconds else 0.0
        self._schedule(start + seconds, worker, job)

    def _schedule(self, time: float, worker: int, job: int) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, worker, job))

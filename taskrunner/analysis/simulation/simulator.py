"""The simulated pool: a workload on so many workers, by the same policy as the real one, without its threads.

A worker takes the newest of what it made ready itself, runs one of what its last job made ready at once, and takes
half of the oldest of another's deque when it has nothing; the inbox, the pools and the commands' places are as in a
run. Time is an event heap, as in any discrete-event simulation; what falls on one moment happens in the order in
which it was put there, so that the same workload always gives the same schedule.
"""

import heapq
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from taskrunner.analysis.attempts import COMMAND, WORKER
from taskrunner.analysis.simulation.workload import Job, Workload
from taskrunner.execution.resources import ResourcePools
from taskrunner.plan.task import COMMAND_SLOTS

STEAL_AT_MOST = 16  # as in pool.worker
NOTHING = -1

# What ends with an event that is not a worker's.
_OFFLOADED = -1
_WAITED = -2  # before the next attempt

type Push = Callable[[int], None]


class Replay(msgspec.Struct, frozen=True, gc=False):
    """A schedule. By the job's index: seconds at which its first attempt ``started`` and its last one ``ended``.

    ``behind``: the job whose end let it start, because it needs it, had its place in a pool, or ran before it on its
    worker; NOTHING for one that started at once.
    """

    makespan_s: float
    started: Sequence[float]
    ended: Sequence[float]
    behind: Sequence[int]

    def holding_chain(self) -> list[int]:
        """Return the jobs that made the schedule as long as it is: each let the next one start, the last ended last."""
        chain: list[int] = []
        job = max(range(len(self.ended)), key=self.ended.__getitem__, default=NOTHING)
        while job != NOTHING:
            chain.append(job)
            job = self.behind[job]
        return chain[::-1]


def replay(workload: Workload, workers: int) -> Replay:
    """Return the schedule of a workload on so many workers, from the first job's start on."""
    machine = Simulator(workload, workers)
    machine.run()
    return Replay(max(machine.ended, default=0.0), machine.started, machine.ended, machine.behind)


class Simulator:
    """The state of one simulated run. ``now`` is the time of the event that is being looked at."""

    def __init__(self, workload: Workload, workers: int) -> None:
        self.jobs = workload.jobs
        self.workers = workers
        self.overhead = workload.overhead
        self.priorities = workload.priorities()
        self.routed = [bool(p or j.limits or j.kind != WORKER) for p, j in zip(self.priorities, self.jobs, strict=True)]
        self.waits = [job.needs for job in self.jobs]
        self.attempt: dict[int, int] = {}  # of those that were tried again
        self.placed = [0.0] * len(self.jobs)
        self.started = [-1.0] * len(self.jobs)
        self.ended = [0.0] * len(self.jobs)
        self.behind = [NOTHING] * len(self.jobs)
        self.now = 0.0
        self._events: list[tuple[float, int, int, int]] = []  # when, its number, a worker, a job
        self._number = 0
        self._limits = ResourcePools({**workload.pools, COMMAND_SLOTS: workers})
        self._deques: list[deque[int]] = [deque() for _ in range(workers)]
        self._queued = 0  # on all deques
        self._inbox: list[tuple[int, int, int]] = []
        self._idle: list[int] = []  # the one that was last to fall asleep is woken first
        self._previous = [NOTHING] * workers
        self._pushes = [self._pusher(mine) for mine in self._deques]

    def run(self) -> None:
        """Run all jobs."""
        self._enqueue_roots()
        for worker in range(self.workers):
            self._run_next(worker, NOTHING, 0.0)
        while self._events:
            self.now, _, worker, job = heapq.heappop(self._events)
            if worker >= 0:
                self._previous[worker] = job
                self._run_next(worker, self._end(job, self._pushes[worker]), self.overhead.node_s)
            elif worker == _WAITED:
                self._route(job, self._enqueue)
            else:
                self._end_offloaded(job)
            self._wake()

    # -- a job ends --------------------------------------------------------------------------------

    def _end(self, job: int, push: Push) -> int:
        """End an attempt; place what became ready by that but for one, and return that one."""
        spec = self.jobs[job]
        self.ended[job] = self.now
        if len(spec.seconds) > 1 and self._retry(job, spec, push):
            return NOTHING
        following = NOTHING
        waits, routed = self.waits, self.routed
        for successor in self._ahead(spec):
            waits[successor] -= 1
            if waits[successor]:
                continue
            self._release(successor, job)
            if routed[successor]:
                self._route(successor, push)
            elif following == NOTHING and not spec.expands:
                following = successor
            else:
                push(successor)
        self._release_slots(job, push)
        return following

    def _end_offloaded(self, job: int) -> None:
        following = self._end(job, self._enqueue)
        if following != NOTHING:
            self._enqueue(following)

    def _ahead(self, spec: Job) -> Sequence[int]:
        """Return what waits for a job; children lie on the deque backwards, so that they start in their order."""
        return spec.after[::-1] if spec.expands and not self.routed[spec.after[0]] else spec.after

    def _retry(self, job: int, spec: Job, push: Push) -> bool:
        """Have the next attempt placed later, if there is one; meanwhile the job holds no place."""
        number = self.attempt.get(job, 0)
        if number + 1 >= len(spec.seconds):
            return False
        self.attempt[job] = number + 1
        self._release_slots(job, push)
        self._schedule(self.now + spec.waits[number], _WAITED, job)
        return True

    def _release_slots(self, job: int, push: Push) -> None:
        if names := self._pools_of(job):
            for admitted in self._limits.release(names):
                self._release(admitted, job)
                self._enqueue_ready(admitted, push)

    def _release(self, job: int, by: int) -> None:
        """Note what let a job start, unless its worker is still to be free."""
        self.placed[job] = self.now
        if self.started[job] < 0:
            self.behind[job] = by

    # -- where a job goes --------------------------------------------------------------------------

    def _enqueue_roots(self) -> None:
        """Place what needs nothing: by priority, then in the order of the graph, dealt out to the workers in turn."""
        dealt: list[int] = []
        roots = [index for index, needs in enumerate(self.waits) if not needs]
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
        heapq.heappush(self._inbox, (-self.priorities[job], self._number, job))

    def _pusher(self, mine: deque[int]) -> Push:
        def push(job: int) -> None:
            self._queued += 1
            mine.append(job)

        return push

    # -- what a worker does ------------------------------------------------------------------------

    def _run_next(self, worker: int, following: int, gap: float) -> None:
        """Have a worker start its next job, after a gap, or fall asleep."""
        if following != NOTHING and self._is_urgent():
            self._pushes[worker](following)
            following = NOTHING
        job = self._find(worker) if following == NOTHING else following
        if job == NOTHING:
            self._idle.append(worker)
        else:
            self._start(job, worker, gap)

    def _wake(self) -> None:
        """Wake those who sleep, one after the other, as long as there is something for them."""
        while self._idle and (self._queued or self._inbox):
            worker = self._idle.pop()
            self._start(self._find(worker), worker, self.overhead.wake_s)

    def _find(self, worker: int) -> int:
        mine = self._deques[worker]
        if not self._is_urgent():
            if mine:
                self._queued -= 1
                return mine.pop()
            if self._queued:
                return self._steal(worker)
        return heapq.heappop(self._inbox)[2] if self._inbox else NOTHING

    def _is_urgent(self) -> bool:
        return bool(self._inbox) and self._inbox[0][0] <= 0

    def _steal(self, thief: int) -> int:
        """Take half of the first deque that holds something, from the oldest on."""
        around = range(thief + 1, thief + self.workers)
        theirs = next(found for i in around if (found := self._deques[i % self.workers]))
        half = min(len(theirs) // 2, STEAL_AT_MOST)
        job = theirs.popleft()
        self._queued -= 1
        self._deques[thief].extend([theirs.popleft() for _ in range(half - 1)])
        return job

    def _start(self, job: int, worker: int, gap: float) -> None:
        """Start an attempt after a gap."""
        spec, moment = self.jobs[job], self.now + gap
        if self.started[job] < 0:
            self.started[job] = moment
            if spec.kind == WORKER and self.placed[job] < self.now:  # it has waited for the worker
                self.behind[job] = self._previous[worker]
        seconds = spec.seconds[self.attempt.get(job, 0)] if spec.seconds else 0.0
        self._schedule(moment + seconds, worker, job)

    def _schedule(self, moment: float, worker: int, job: int) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, worker, job))

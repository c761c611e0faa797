"""The workloads on native libraries: each graph's result against the same computation in plain Python."""

import importlib
import itertools
import math
import zlib
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import taskrunner
import workloads

FOLDER = Path(workloads.__file__).parent


@pytest.fixture
def arrays():
    pytest.importorskip("numpy")
    return importlib.import_module("workloads.arrays")


@pytest.fixture
def columns():
    pytest.importorskip("pyarrow")
    return importlib.import_module("workloads.columns")


@pytest.fixture
def frames():
    pytest.importorskip("polars", reason="try --group polars on 3.13: no free-threaded build has a wheel")
    return importlib.import_module("workloads.frames")


@pytest.fixture
def queries():
    pytest.importorskip("duckdb", reason="try --group duckdb on 3.13: no free-threaded build has a wheel")
    return importlib.import_module("workloads.queries")


def run(module, workers, /, **params):
    graph = taskrunner.load(FOLDER / f"{module.__name__.rpartition('.')[2]}.json")
    result = taskrunner.run(graph, params=params, workers=workers)
    assert result.ok, result.failures
    return result.outputs


@pytest.mark.parametrize("name", ["arrays", "columns", "frames", "queries"])
@pytest.mark.parametrize("workers", [1, 4])
def test_by_its_own_defaults(request, name, workers):
    module = request.getfixturevalue(name)
    assert run(module, workers) == run(module, 2)


# -- arrays ---------------------------------------------------------------------------------------------


def slope(heights, row, column):
    across = (heights[row][column + 1] - heights[row][column - 1]) / 2
    along = (heights[row + 1][column] - heights[row - 1][column]) / 2
    return across, along


def brightness(heights, row, column, sun):
    x, y, up = sun
    dx, dy = slope(heights, row, column)
    return int(max((up - x * dx - y * dy) / (math.sqrt(1 + dx * dx + dy * dy) * math.hypot(x, y, up)), 0) * 255)


def serial_day(heights, hours):
    inner = range(1, len(heights) - 1)
    suns = [(2 * hour + 1 - hours, -hours, hours) for hour in range(hours)]
    light = [[sum(brightness(heights, r, c, sun) for sun in suns) // hours for c in inner] for r in inner]
    places = list(itertools.chain.from_iterable(light))
    counts = Counter(place // 32 for place in places)
    return {
        "shape": [len(inner), len(inner)],
        "histogram": [counts[eighth] for eighth in range(8)],
        "crc32": zlib.crc32(bytes(places)),
    }


@pytest.mark.parametrize("workers", [1, 4])
def test_arrays(arrays, workers):
    heights = arrays.terrain(7, 30).tolist()
    assert run(arrays, workers, seed=7, size=30, hours=9) == {"summary": serial_day(heights, 9)}


def test_a_terrain_is_made_of_its_steps(arrays):
    steps = arrays.np.random.default_rng(3).integers(-3, 4, (6, 6)).tolist()
    down = [list(itertools.accumulate(column)) for column in zip(*steps, strict=True)]
    across = [[total // 6 for total in itertools.accumulate(row)] for row in zip(*down, strict=True)]
    assert arrays.terrain(3, 6).tolist() == across


def test_a_shared_array_cannot_be_changed(arrays):
    with pytest.raises(ValueError, match="read-only"):
        arrays.terrain(1, 4)[0, 0] = 5


# -- columns --------------------------------------------------------------------------------------------


def serial_best(tables, least, n):
    cents, sales = Counter(), Counter()
    for row in itertools.chain.from_iterable(table.to_pylist() for table in tables):
        if row["cents"] >= least:
            cents[row["item"]] += row["cents"]
            sales[row["item"]] += 1
    ranked = sorted(cents, key=lambda item: (-cents[item], item))
    return [{"item": item, "cents": cents[item], "sales": sales[item]} for item in ranked[:n]]


@pytest.mark.parametrize("workers", [1, 4])
def test_columns(columns, workers):
    tables = [columns.sales(month, 500, 9) for month in range(5)]
    found = run(columns, workers, months=5, rows=500, items=9, least=3000, best=4)
    assert found == {"best": serial_best(tables, 3000, 4)}


def test_sales_come_from_their_month_alone(columns):
    table = columns.sales(3, 200, 9)
    assert table.equals(columns.sales(3, 200, 9))
    assert not table.equals(columns.sales(4, 200, 9))
    first, *rows = table.to_pylist()
    assert first["note"] == f"item {first['item']} in month 3"
    assert {row["item"] for row in [first, *rows]} == set(range(9))


# -- frames ---------------------------------------------------------------------------------------------


def tenths_at(station, minute):
    noise = (minute * 7919 + station * 104729) * 1103515245 % 2**31 // 65536 % 80
    return noise + 100 - (minute // 60 % 24 - 14) ** 2


def serial_warmest(stations, rows, n):
    good = defaultdict(list)
    for station, minute in itertools.product(range(stations), range(rows)):
        if (tenths := tenths_at(station, minute)) < 150 + station % 5 * 5:
            good[station, minute // 60 % 24].append(tenths)
    means = {place: sum(found) // len(found) for place, found in good.items()}
    ranked = sorted(means, key=lambda place: (-means[place], place))
    return [{"station": s, "hour": h, "mean": means[s, h], "highest": max(good[s, h])} for s, h in ranked[:n]]


@pytest.mark.parametrize("workers", [1, 4])
def test_frames(frames, workers):
    found = run(frames, workers, stations=6, rows=3000, warmest=7)
    assert found == {"warmest": serial_warmest(6, 3000, 7)}


# -- queries --------------------------------------------------------------------------------------------


def serial_ranking(rows, customers, items, n):
    spent, days = Counter(), defaultdict(set)
    for i in range(rows):
        place = i * 104729 % 97, i * 7919 % customers
        spent[place] += i * 31 % 9973 + 27
        days[place].add(i % 365)
    best = [min((-spent[p], p[1], p) for p in spent if p[0] == item)[2] for item in range(items)]
    ranked = sorted(best, key=lambda place: (-spent[place], place[0]))[:n]
    return [{"item": p[0], "customer": p[1], "cents": spent[p], "days": len(days[p])} for p in ranked]


@pytest.mark.parametrize("workers", [1, 4])
def test_queries(queries, workers):
    found = run(queries, workers, rows=2000, customers=13, items=20, best=5)
    assert found == {"ranking": serial_ranking(2000, 13, 20, 5)}


def test_an_item_that_nobody_bought_is_not_ranked(queries):
    found = run(queries, 2, rows=1, customers=5, items=97, best=5)
    assert found == {"ranking": [{"item": 0, "customer": 0, "cents": 27, "days": 1}]}

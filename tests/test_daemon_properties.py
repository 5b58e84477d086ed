"""daemon.json: what holds for any options and any file."""

from __future__ import annotations

import contextlib
import json
import string

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pure.daemon import changed_keys, merge, parse, parse_engine, render, to_json
from pure.daemon_options import DaemonOptions
from tests.test_daemon import ENGINES

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
KEYS = st.sampled_from(
    ["debug", "dns", "features", "builder", "log-driver", "log-opts", "host-gateway-ip", "x"]
)
FILES = st.dictionaries(KEYS, JSON, max_size=5)
SIZES = st.one_of(
    st.integers(1, 10**6).map(str),
    st.tuples(st.integers(1, 999), st.sampled_from(["K", "MB", "g", "TB"])).map(
        lambda size: f"{size[0]}{size[1]}"
    ),
    st.integers(1, 100).map(lambda percent: f"{percent}%"),
)
ADDRESSES = st.ip_addresses().map(str)
WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=9)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "log_driver": st.sampled_from(["json-file", "local", "journald", "syslog"]),
        "builder_max_used_space": SIZES,
        "builder_min_free_space": st.none() | SIZES,
        "builder_gc_policy": st.lists(
            st.fixed_dictionaries(
                {}, optional={"all": st.booleans(), "keep_duration": st.just("48h"), "max_used_space": SIZES}
            ),
            min_size=1,
            max_size=3,
        ),
        "dns": st.lists(ADDRESSES, unique=True, max_size=3),
        "labels": st.lists(st.tuples(WORDS, WORDS).map("=".join), unique=True, max_size=3),
        "debug": st.none() | st.booleans(),
        "mtu": st.none() | st.integers(68, 9000),
        "data_root": WORDS.map("/srv/{}".format),
        "registry_mirrors": st.lists(WORDS.map("https://{}.example".format), unique=True, max_size=2),
        "default_ulimits": st.dictionaries(WORDS, st.just({"soft": 1, "hard": 2}), max_size=2),
    },
)


@FUZZ
@given(OPTIONS, st.integers(1, 2**50), st.sampled_from(ENGINES))
def test_any_valid_options_render(data, disk, version):
    written = render(DaemonOptions(**data), parse_engine(version), disk)
    assert parse(to_json(written)) == written
    assert "%" not in json.dumps(written["builder"])
    assert '"0"' not in json.dumps(written["builder"])
    assert written["builder"]["gc"]["enabled"] is True


@FUZZ
@given(FILES, FILES.filter(lambda ours: isinstance(ours.get("features", {}), dict)))
def test_merge_is_idempotent(existing, ours):
    once = merge(existing, ours)
    assert merge(once, ours) == once
    assert {key: once[key] for key in ours if key != "features"} == {
        key: value for key, value in ours.items() if key != "features"
    }
    assert changed_keys(once, merge(once, ours)) == set()


@FUZZ
@given(FILES)
def test_round_trip(file):
    assert parse(to_json(file)) == file
    assert to_json(parse(to_json(file))) == to_json(file)


@FUZZ
@given(st.text(max_size=40) | FILES.map(json.dumps).map(lambda text: text[:-1]))
def test_parse_never_fails_otherwise(text):
    with contextlib.suppress(ValueError):
        assert isinstance(parse(text), dict)

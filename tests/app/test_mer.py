"""From recordings to spans, and from spans to agreement with the image."""

import numpy as np
import pytest


@pytest.fixture
def tracks(tmp_path):
    path = tmp_path / "tracks.csv"
    depth = np.arange(10, -3.01, -0.5)
    lines = ["RecordingSiteDTT,central,anterior"]
    lines += [f"{d},{20 if -1 <= d <= 4 else 8},{18 if 0 <= d <= 3 else 9}" for d in depth]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_spans_of_every_channel(qsmkit, tracks, tmp_path):
    ran = qsmkit("mer", tracks, "--json", "--out", tmp_path / "spans.csv")
    assert ran.status == 0, ran.err
    assert ran.json["central"]["span"]["value"] == pytest.approx(5.5)
    assert ran.json["anterior"]["entry"]["value"] == pytest.approx(3.25)
    assert (tmp_path / "spans.csv").read_text().splitlines()[0] == "track,entry_mm,exit_mm,span_mm,open_end"


def test_spans_are_joined_to_the_image_s_as_they_are_written(qsmkit, tracks, tmp_path):
    spans, image = tmp_path / "spans.csv", tmp_path / "image.csv"
    ran = qsmkit("mer", tracks, "--patient", "P1", "--side", "L", "--out", spans)
    assert ran.status == 0, ran.err
    assert "Not a medical device" in ran.out
    image.write_text("patient,side,track,qsm_mm\nP1,L,central,5.2\nP1,L,anterior,3\nP1,R,anterior,3\n")
    names = ("--x", "qsm_mm", "--y", "span_mm")
    ran = qsmkit("agree", image, "--join", spans, "--on", "patient", "side", "track", *names, "--json")
    assert "1 rows have no partner" in ran.err


def test_spans_that_are_lower_bounds_are_named_when_compared(qsmkit, tmp_path):
    table = tmp_path / "spans.csv"
    table.write_text("track,a,b,open_end\n1,5,5.2,False\n2,4,4.1,True\n3,6,5.5,False\n4,5.5,5,True\n")
    ran = qsmkit("agree", table, "--x", "a", "--y", "b", "--json")
    assert "2 spans have an open end" in ran.err


def test_raw_recordings_give_the_same_as_their_rms(qsmkit, tmp_path):
    neo = pytest.importorskip("neo")
    import quantities as pq

    rng, lines = np.random.default_rng(2), ["depth_mm,file"]
    for i, d in enumerate(np.arange(6, -3.01, -0.5)):
        noise = rng.normal(0, 20 if -1 <= d <= 2 else 8, (2000, 1))
        signal = neo.AnalogSignal(noise, units="uV", sampling_rate=24 * pq.kHz, name="central")
        block, segment = neo.Block(), neo.Segment()
        segment.analogsignals.append(signal)
        block.segments.append(segment)
        name = tmp_path / f"site{i}.pkl"
        neo.io.PickleIO(str(name)).write_block(block)
        lines.append(f"{d},{name.name}")
    table = tmp_path / "sites.csv"
    table.write_text("\n".join(lines) + "\n")
    ran = qsmkit("mer", table, "--json")
    assert ran.status == 0, ran.err
    (found,) = ran.json.values()
    assert found["span"]["value"] == pytest.approx(3.5)


def test_image_and_recording_are_joined_by_patient_side_and_track(qsmkit, tmp_path):
    image, recorded = tmp_path / "image.csv", tmp_path / "recorded.csv"
    rows = [(f"P{i}", side, 5 + 0.1 * i) for i in range(6) for side in "LR"]
    image.write_text("patient,side,qsm\n" + "".join(f"{p},{s},{v}\n" for p, s, v in rows))
    recorded.write_text("side,patient,mer\n" + "".join(f"{s},{p},{v + 0.3}\n" for p, s, v in rows[::-1][1:]))
    arguments = ("agree", image, "--join", recorded, "--on", "patient", "side", "--x", "qsm", "--y", "mer")
    ran = qsmkit(*arguments, "--cluster", "patient", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["bias"]["value"] == pytest.approx(-0.3)
    assert ran.json["bias"]["n"] == 11
    assert "P5, R" in ran.err
    assert "P4, R" in qsmkit(*arguments).out


@pytest.mark.parametrize(
    ("on", "words"),
    [((), "without keys"), (("patient",), "several rows"), (("patient", "sied"), "has no column 'sied'")],
)
def test_tables_that_cannot_be_joined_are_refused(qsmkit, tmp_path, on, words):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"patient,side,{name}\nP,L,1\nP,R,2\n")
    keys = ("--on", *on) if on else ()
    ran = qsmkit("agree", tmp_path / "a.csv", "--join", tmp_path / "b.csv", *keys, "--x", "a", "--y", "b")
    assert ran.status == 1
    assert words in ran.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("rms,x\n1,2\n", "no column of depths"),
        ("depth\n1\n", "no channel"),
        ("depth,file\n1,none.ns5\n", "cannot be read"),
    ],
)
def test_unusable_recordings_are_refused(qsmkit, tmp_path, content, words):
    (tmp_path / "t.csv").write_text(content)
    ran = qsmkit("mer", tmp_path / "t.csv")
    assert ran.status == 1
    assert words in ran.err

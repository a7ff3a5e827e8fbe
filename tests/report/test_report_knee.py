"""Where a curve of recall bends."""

from mrl_pg.report.knee import knee


def test_the_knee_is_where_more_brings_less() -> None:
    sizes = [32, 64, 128, 256, 512]
    assert knee(sizes, [0.2, 0.5, 0.9, 0.95, 1.0]) == 2
    assert knee(sizes, [0.2, 0.4, 0.6, 0.8, 1.0]) is None
    assert knee(sizes, [0.99, 1.0, 1.0, 1.0, 1.0]) is None
    assert knee(sizes[:2], [0.2, 1.0]) is None

"""What all figures share."""

from pathlib import Path

import pytest

from facet_vision.common.errors import UsageError
from facet_vision.common.figures import check_place, legend_below, new_figure, short


def test_names_are_cut_where_they_do_not_differ() -> None:
    assert short("vit_base_patch16_224") == "vit_base_patch16_224"
    assert short("vit_base_patch16_224.augreg_in21k") == "vit_base_patch16_224.au…"
    assert short("/data/pictures/of/many/flowers") == "…ictures/of/many/flowers"
    assert len(short("/data/pictures/of/many/flowers")) == len(short("x" * 40)) == 24


@pytest.mark.parametrize(
    ("labels", "columns"), [(["a", "b", "c"], 3), (["a long name of a curve"] * 4, 1)]
)
def test_a_legend_fits_into_the_width(labels: list[str], columns: int) -> None:
    figure = new_figure(4, 3)
    line = figure.subplots().plot([0, 1], [0, 1])[0]
    legend_below(figure, [line] * len(labels), labels)
    figure.canvas.draw()
    (legend,) = figure.legends
    assert legend._ncols == columns
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert figure.get_figheight() > 3


def test_place_of_a_figure_is_checked(tmp_path: Path) -> None:
    check_place(tmp_path / "x.PNG")
    with pytest.raises(
        UsageError, match=r"^out: expected a name that ends in one of .*, found 'x'$"
    ):
        check_place(tmp_path / "x")
    with pytest.raises(
        UsageError, match=r"^out: expected a file name in a folder that exists, found "
    ):
        check_place(tmp_path / "none" / "x.png")

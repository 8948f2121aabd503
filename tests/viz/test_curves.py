import pytest

from unwarp import viz
from unwarp.errors import OptionError, ShapeError


def test_a_curve_goes_through_its_values():
    ax = viz.training_curves({"CNN": ([1, 2, 3], [5.0, 3.0, 2.5]), "ST-CNN": ([1, 2], [4.0, 2.0])})
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[1, 5], [2, 3], [3, 2.5]], [[1, 4], [2, 2]]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CNN", "ST-CNN"]


def test_curves_differ_by_colour_and_by_marker():
    ax = viz.training_curves({str(index): ([1], [1.0]) for index in range(7)})
    assert len({line.get_color() for line in ax.lines}) == 7
    assert len({line.get_marker() for line in ax.lines}) == 7


def test_a_linear_axis_starts_at_nothing():
    assert viz.training_curves({"CNN": ([1, 2], [5.0, 4.0])}).get_ylim()[0] == 0


def test_epochs_are_whole_numbers():
    ax = viz.training_curves({"CNN": ([1, 2], [5.0, 4.0])})
    assert all(tick.is_integer() for tick in ax.get_xticks())
    assert not all(tick.is_integer() for tick in viz.training_curves({"CNN": ([0.1, 0.2], [5, 4])}).get_xticks())


def test_a_logarithmic_axis_has_plain_numbers():
    ax = viz.training_curves({"CNN": ([1, 2], [12.0, 0.3])}, log=True)
    labels = [text.get_text() for text in [*ax.get_yticklabels(), *ax.get_yticklabels(minor=True)]]
    assert {"0.5", "1", "2", "5", "10"} <= set(labels)


def test_a_bar_ends_at_the_mean_and_says_it_with_its_interval():
    ax = viz.error_bars(
        {"CNN": [4.1], "ST-CNN": [2.0, 2.2, 2.4]}, intervals={"CNN": (3.6, 4.9)}, published={"ST-CNN": 0.5}
    )
    assert [bar.get_width() for bar in ax.patches] == [4.1, pytest.approx(2.2)]
    assert [text.get_text() for text in ax.texts] == ["4.10 (3.60 to 4.90)", "2.20"]
    assert [text.xy[0] for text in ax.texts] == [4.9, pytest.approx(2.2)]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["CNN", "ST-CNN"]


def test_the_first_model_stands_at_the_top():
    bottom, top = viz.error_bars({"CNN": [4.1], "ST-CNN": [2.0]}).get_ylim()
    assert top < 0 < 1 < bottom


def test_the_published_error_stands_in_its_model_s_row():
    ax = viz.error_bars({"CNN": [4.1], "ST-CNN": [2.0]}, published={"ST-CNN": 0.5, "FCN": 5.2})
    assert ax.lines[-1].get_xydata().tolist() == [[0.5, 1.0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["published"]


def test_a_published_range_has_a_mark_at_each_end():
    ax = viz.error_bars({"CNN": [4.1], "ST-CNN": [2.0]}, published={"CNN": 0.5, "ST-CNN": (1.0, 3.0)})
    assert ax.lines[-1].get_xydata().tolist() == [[0.5, 0.0], [1.0, 1.0], [3.0, 1.0]]
    assert [text.xy[0] for text in ax.texts] == [4.1, 3.0]
    (lines,) = ax.collections
    assert lines.get_segments()[1].tolist() == [[1.0, 1.0], [3.0, 1.0]]


def test_figures_stand_to_the_right_of_bars_and_of_published_errors():
    ax = viz.error_bars({"CNN": [4.1], "ST-CNN": [2.0]}, published={"CNN": 0.5, "ST-CNN": 2.4})
    assert [text.xy[0] for text in ax.texts] == [4.1, 2.4]


def test_a_bar_without_an_interval_has_no_whisker():
    ax = viz.error_bars({"CNN": [4.1]})
    assert not ax.lines
    assert [text.get_text() for text in ax.texts] == ["4.10"]


def test_draws_on_the_axes_it_is_given():
    ax = viz.training_curves({})
    assert viz.training_curves({"CNN": ([1], [1.0])}, ax=ax) is ax
    assert viz.error_bars({"CNN": [1.0]}, ax=ax) is ax


def test_refuses_values_that_do_not_belong_together():
    with pytest.raises(ShapeError, match=r"curves\['CNN'\]: expected as many x as y, got 2 and 1"):
        viz.training_curves({"CNN": ([1, 2], [5.0])})
    with pytest.raises(ShapeError, match=r"errors\['CNN'\]: expected the error of at least one run"):
        viz.error_bars({"CNN": []})
    with pytest.raises(
        OptionError, match=r"intervals\['CNN'\]: expected ends on both sides of the mean 2, got \(3, 1\)"
    ):
        viz.error_bars({"CNN": [2.0]}, intervals={"CNN": (3, 1)})


def test_bars_keep_their_models_colours_in_every_panel():
    models = ["FCN", "CNN", "ST-CNN"]
    alone = viz.error_bars({"ST-CNN": [2.0]}, models=models)
    whole = viz.error_bars({name: [2.0] for name in models}, models=models)
    assert alone.patches[0].get_facecolor() == whole.patches[2].get_facecolor()
    with pytest.raises(OptionError, match="none of \\['TPS'\\]"):
        viz.error_bars({"TPS": [2.0]}, models=models)


def test_no_two_of_many_models_look_alike():
    ax = viz.error_bars({f"model {place}": [2.0] for place in range(20)})
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in ax.patches}) == 20


@pytest.mark.parametrize("name", ["price $5^$", "_hidden", "$x$", r"\frac"])
def test_names_are_drawn_as_they_stand(name):
    axes = viz.training_curves({name: ([1, 2], [1, 2]), "b": ([1, 2], [2, 1])})
    viz.encode_png(axes.figure)
    drawn = [text.get_text().strip().replace(r"\$", "$") for text in axes.get_legend().get_texts()]
    assert drawn == [name, "b"]
    assert viz.encode_png(viz.error_bars({name: [1.0]}).figure)

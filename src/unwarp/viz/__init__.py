"""Pictures of what a spatial transformer does: sampled regions, the paper's figure, curves, and a report to keep.

Figures are plain `matplotlib.figure.Figure` objects made without pyplot: they need no display, change no global state
and have not to be closed. matplotlib comes with the extra ``train`` and is loaded on the first drawing.
"""

from unwarp.viz.animation import save_gif, theta_frames
from unwarp.viz.curves import error_bars, training_curves
from unwarp.viz.distributions import theta_distribution
from unwarp.viz.grids import draw_region, region_lines
from unwarp.viz.look import show_transformer, transformer_frames
from unwarp.viz.panels import show_image, transformer_figure
from unwarp.viz.png import encode_png, save_png
from unwarp.viz.report import Code, Picture, Section, Table, render_report, write_report

__all__ = [
    "Code",
    "Picture",
    "Section",
    "Table",
    "draw_region",
    "encode_png",
    "error_bars",
    "region_lines",
    "render_report",
    "save_gif",
    "save_png",
    "show_image",
    "show_transformer",
    "theta_distribution",
    "theta_frames",
    "training_curves",
    "transformer_figure",
    "transformer_frames",
    "write_report",
]

"""The parts of a report on what a run costs and how it was made."""

from wordlab.inspection.provenance import environment_table, settings_table
from wordlab.inspection.work.parts import Workload
from wordlab.inspection.work.report import measure
from wordlab.reports.section import Section
from wordlab.runs.run import Run
from wordlab.runs.tagger_run import TaggerRun
from wordlab.training.settings import TrainingSettings

ROUNDS = 3
"""How often the parts of a network are timed."""


def cost_section(workload: Workload, training: TrainingSettings) -> Section:
    """Operations, bytes and seconds of each part."""
    return Section("Cost", tuple(measure(workload, training, ROUNDS).tables()))


def settings_section(run: Run | TaggerRun) -> Section:
    """Every setting, and what the run was made with."""
    return Section("Settings", (settings_table(run.settings), environment_table(run.environment)))

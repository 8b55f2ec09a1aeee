"""The demo: jobs of real learners, most of which fail for real reasons."""

from llm_scheduler.managers.demo.jobs import DemoJob, write_modules
from llm_scheduler.managers.demo.run import DemoResult, DemoRun, start_demo

__all__ = ["DemoJob", "DemoResult", "DemoRun", "start_demo", "write_modules"]

"""The tests that train a model run where torch is installed: `make test-train`."""

from importlib.util import find_spec

INSTALLED = find_spec("sentence_transformers") and find_spec("datasets")
# not collected, because a skipped test asks for something to be repaired
collect_ignore = [] if INSTALLED else ["test_train_model.py"]

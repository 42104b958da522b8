"""Parts of language models that run in linear time."""

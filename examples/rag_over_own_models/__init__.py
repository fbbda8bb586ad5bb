"""Questions about this project's documentation, answered from rows of djanorm models through LlamaIndex."""

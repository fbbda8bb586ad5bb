"""Projects to run, read and copy from; each folder is one."""

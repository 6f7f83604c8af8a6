"""The machine: cores, memory, versions, files and processes."""

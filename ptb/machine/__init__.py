"""What the program runs on: cores, memory, versions, files and processes."""

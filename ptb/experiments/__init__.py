"""Questions, speeds and records: what is measured, and the code that measures it."""

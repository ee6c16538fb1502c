"""Where observations come from: kernel, audit, engines, procfs, captures."""

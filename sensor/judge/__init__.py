"""Whether a start was expected: policy, change windows, baseline, findings."""

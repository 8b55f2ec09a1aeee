"""The model's side: its choice, the graph, approvals, journal, budget, threads."""

"""What the agent can do: read files, logs and jobs, and plan changes of them."""

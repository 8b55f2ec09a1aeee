"""Where the parts are joined: runs, jobs, failures and their diagnoses."""

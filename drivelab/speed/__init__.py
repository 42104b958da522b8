"""How fast kernels and encoders run here, and what memory they take, beside what users have."""

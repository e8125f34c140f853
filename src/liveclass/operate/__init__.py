"""What an operator needs around the lessons: certificates, secrets, logs and a doctor. Knows no lesson and no media."""

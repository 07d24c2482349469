"""Out-of-band readers of result stores: none of them uses the code that Celery stores results with."""

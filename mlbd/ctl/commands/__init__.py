"""One noun, one file: its columns, how it is drawn, and the click command, always called `command`."""

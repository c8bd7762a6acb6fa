"""Pictures as a presentation state wants them: what it says of an image, its graphics, and letters of every script."""

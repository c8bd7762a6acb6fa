"""Compressed frames become samples, by third-party codecs in processes of their own.

`frame_decoder` is what the rooms above use: it reads the codestream's header, refuses what does not agree with the
object's, and gives the rest to the `pool`. Each process of the pool decodes one frame at a time, within limits of time
and memory (`options`); one that overruns them or crashes is killed and replaced, and only its frame has failed. `turns`
shares the pool out among studies, `shared` holds the one pool of this program.

`__main__` begins the first of these processes, which forks the others (`forking`); `worker_process` is what they do.
Only these import `codecs`. Frames travel in shared memory (memfd), of which nothing is left when the processes end.

May use `kinote.dicom`, and nothing else of Kinote.
"""

"""Decoding of compressed frames with third-party codecs in separate processes.

Other packages use `frame_decoder`. It reads the header of the codestream, refuses a frame that does not agree with its
object, and passes the rest to the `pool`. Each process of the pool decodes one frame at a time, within limits of time
and memory (`options`). A process that exceeds them or crashes is replaced, and only its frame fails. `turns` shares the
pool fairly among studies; `shared` holds the program's only pool.

`__main__` starts the forking process (`forking`), which forks the decoding processes (`worker_process`). Only these
processes import `codecs`. Frames are passed in shared memory (memfd), which is freed when the processes end.

May import `kinote.dicom`, and nothing else of Kinote.
"""

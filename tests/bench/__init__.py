"""What things cost here, each against a yardstick measured in the same run.

A figure without its yardstick says more of the machine than of the program: the same disk gives a
tenth when its burst is spent. So each row has a ratio.
"""

import os

# One thread, like the worker: set before numpy is imported, which reads it once.
os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

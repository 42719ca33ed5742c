"""The keys of a session, the same on every device: typed in the terminal, or a button that stands for one.

Small letters and digits are left to the devices.
"""

ESCAPE, ENTER, BACKSPACE, TAB = "\x1b", "\n", "\x7f", "\t"

START = ENTER  # an episode; pressed again it saves it as a success
FAILURE = "-"  # save as a failure
DISCARD = BACKSPACE
AGAIN = TAB  # throw away and begin the same seed again
EDIT = "E"  # the task's text, between episodes
TAKE_OVER = "T"  # from whoever drives
HAND_BACK = "H"  # fall silent: the policy goes on, or the arm holds
STOP = " "
PARK = "P"
QUIT = ESCAPE

SESSION_KEYS = (START, FAILURE, DISCARD, AGAIN, EDIT, TAKE_OVER, HAND_BACK, STOP, PARK, QUIT)

"""The last hop before the motors: clock, chunk scheduler and the one control loop. numpy only."""

"""What a person does with whole datasets: list, look at, merge, split, delete from."""

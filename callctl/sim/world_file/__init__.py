"""World files: a simulated world as people write it, read into scenarios and written from them.

read_world(path, settings) -> World, which gives a Scenario for each seed
world_text(scenario) -> the file that repeats it
"""

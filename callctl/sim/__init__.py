"""The simulated world: nodes, phones, callers, cloud and network in virtual time, from one seed.

    scenario.draw(seed) -> Scenario -> Simulation(scenario).run() -> Result

Everything that happens is drawn from the seed by named streams, passes one heap of events, and is
watched by judges that know nothing of the engine's insides. Source: design sections 2 and 3.
"""

from khien.simulation.command import simulate

if __name__ == "__main__":
    simulate(prog_name="khien simulate")

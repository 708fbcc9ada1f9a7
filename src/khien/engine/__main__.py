from khien.engine.command import trace

if __name__ == "__main__":
    trace(prog_name="khien trace")

"""One reader and writer for each kind of file. May import the three files of the contract only."""

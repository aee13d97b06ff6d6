"""One reader and writer for each kind of file. May import only the three files of the contract."""

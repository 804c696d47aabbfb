"""Starting processes quickly, and ending them with all that came from them."""

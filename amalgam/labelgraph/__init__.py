"""Label graphs: what joins the labels of several datasets and teachers, and the paths to them."""

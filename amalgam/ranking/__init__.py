"""Which source, or which teacher, will transfer best to a target, before anything is trained.

P2L (Bhattacharjee, Kender and others, "P2L: Predicting Transfer Learning for Images and Semantic Relations") ranks
sources by their size and by how far they are from the target; scores of its kind rank teachers by what they say of the
target's annotated rows.
"""

"""Is anything lost, doubled or altered between a station's commit and the fleet's database?

`checker` judges bytes on disk and imports nothing of the product; `seeded` holds the product's
wrong twins that it must catch first; the rest breaks real processes.
"""

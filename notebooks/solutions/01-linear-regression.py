# %% exercise-01-predict: right
answer = model.intercept_ + (coefficients * [600, 588, 90, 0.358, 0.333]).sum()

# %% exercise-01-predict: wrong
answer = (coefficients * [600, 588, 90, 0.358, 0.333]).sum()

# %% exercise-01-strongest: right
answer = (coefficients * spread).abs().idxmax()

# %% exercise-01-strongest: wrong
answer = coefficients.abs().idxmax()

# %% exercise-01-features: right
columns = ["var_1", "var_2", "var_4"]
small_model = LinearRegression().fit(x_train[columns], y_train)

# %% exercise-01-features: wrong
columns = ["var_3", "var_4", "var_5"]
small_model = LinearRegression().fit(x_train[columns], y_train)

# Fit a linear model to braking distances, and log how well it fits.
formula <- as.formula(commandArgs(trailingOnly = TRUE)[1])
model <- lm(formula, data = read.csv("cars.csv"))
fit <- summary(model)

metrics <- c(r2 = fit$r.squared, sigma = fit$sigma)
cat(sprintf("%s = %.4f\n", names(metrics), metrics), sep = "")
write.csv(coef(fit), "coefficients.csv")

if (nzchar(Sys.getenv("PROJ_RUN_ID"))) { # into the record of the run, if this is one
  system2("proj", c("log", "metric", sprintf("%s=%.10g", names(metrics), metrics)))
}

// Package fuzz holds fuzz targets.
package fuzz
